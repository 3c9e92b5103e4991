//! The case with everything looked up: who, on what, through which gateway, as of the time of the row.

use super::case::Case;
use super::judged::Judged;
use crate::cause::RootCause;
use crate::classify::facts::Facts;
use crate::classify::{RULES, Rehearing};
use crate::event::Column;
use crate::identity::{Directory, Gateway, Identified, KeyAt, PrincipalAt, Route, TenantAt};

pub(super) struct Scene<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) directory: &'a Directory,
    pub(super) facts: Facts<'a>,
    pub(super) judged: Judged,
    /// When the request arrived.
    pub(super) at: i64,
    /// The key that was presented, or that was meant.
    pub(super) key: Option<KeyAt<'a>>,
    pub(super) principal: Option<PrincipalAt<'a>>,
    pub(super) tenant: Option<TenantAt<'a>>,
    pub(super) route: Option<Route<'a>>,
    pub(super) gateway: Option<Gateway<'a>>,
}

impl<'a> Scene<'a> {
    pub(super) fn of(case: &'a Case<'a>, batch: &'a Identified, rehearing: &Rehearing<'a>) -> Self {
        let directory: &Directory = case.directory;
        let (subject, at) = (batch.subject(0), rehearing.facts.at);
        let text = |column| case.row.dict(column).get(0);
        Self {
            case,
            directory,
            facts: rehearing.facts,
            judged: Judged::of(case, rehearing),
            at,
            key: subject.key.map(|key| directory.key_at(key, at)),
            principal: subject.principal.map(|principal| directory.principal(principal, at)),
            tenant: subject.tenant.map(|tenant| directory.tenant(tenant, at)),
            route: subject.route.map(|route| directory.route_at(route)),
            gateway: directory.gateway_for(text(Column::Gateway), text(Column::Format)),
        }
    }

    /// A text of the row; empty where it has none.
    pub(super) fn text(&self, column: Column) -> &'a str {
        self.case.row.dict(column).get(0)
    }

    pub(super) fn path(&self) -> &'a str {
        self.case.row.text(Column::Path).value(0)
    }

    /// Whether a rule finds the cause in what is at hand today.
    pub(super) fn holds(&self, cause: RootCause) -> bool {
        RULES.iter().any(|(ruled, rule)| *ruled == cause && rule(&self.facts).is_some())
    }

    /// The key that was presented. One that was only meant is none.
    pub(super) fn own_key(&self) -> Option<&KeyAt<'a>> {
        self.key.as_ref().filter(|_| self.facts.key.is_some())
    }

    /// `ck_live_…d79c (key-backup)`.
    pub(super) fn key_name(&self) -> String {
        self.key.as_ref().map_or_else(|| self.mask(), |key| key_name(key))
    }

    /// The credential as it may be shown.
    pub(super) fn mask(&self) -> String {
        match self.text(Column::CredentialMask) {
            "" | "…" => match self.text(Column::Fingerprint) {
                "" => "the credential".to_owned(),
                fingerprint => format!("unknown key #{}…", fingerprint.get(..4).unwrap_or(fingerprint)),
            },
            mask => mask.trim_end().to_owned(),
        }
    }

    pub(super) fn key_id(&self) -> &'a str {
        self.key.as_ref().map_or_else(|| self.text(Column::KeyId), |key| key.key_id)
    }

    pub(super) fn principal_id(&self) -> &'a str {
        let of_key = self.key.as_ref().map_or("", |key| key.principal_id);
        let known = self.principal.as_ref().map_or(of_key, |principal| principal.principal_id);
        if known.is_empty() { self.text(Column::PrincipalId) } else { known }
    }

    pub(super) fn tenant_id(&self) -> &'a str {
        let known = self.tenant.as_ref().map_or("", |tenant| tenant.tenant_id);
        if known.is_empty() { self.text(Column::TenantId) } else { known }
    }

    /// `GET /v1/orders/{id}`: the template where the directory knows the route.
    pub(super) fn route_name(&self) -> String {
        let method = self.text(Column::Method);
        let template = self.route.as_ref().map_or(self.path(), |route| route.template);
        format!("{method} {template}").trim().to_owned()
    }
}

/// `ck_live_…d79c (key-backup)`, or the id where no end of the key is known.
pub(super) fn key_name(key: &KeyAt<'_>) -> String {
    match key.last4.as_str() {
        "" => key.key_id.to_owned(),
        last4 => format!("{}…{last4} ({})", key.prefix, key.key_id),
    }
}
