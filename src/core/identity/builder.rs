//! Rows to a [`Directory`].
//!
//! Rows may come in any order and from any kind of file; each is taken or becomes a finding, and none stops
//! the load. A clear key is hashed while its row is read and is not kept.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::cells::Cell;
use super::distinct::NONE;
use super::findings::{FindingCode, Findings, Place, shown};
use super::grants::{Grant, Party};
use super::intake::Intake;
use super::rows::{GatewayRow, GrantRow, KeyRow, PrincipalRow, RouteRow, Snapshot, Table, TenantRow};
use super::status::{KeyStatus, PrincipalKind, PrincipalStatus, TenantStatus};
use super::timeline::Version;
use super::values::{GatewayValue, KeyRare, KeyTerms, KeyValue, PrincipalValue, RouteValue, TenantValue};
use super::{Directory, check, version};
use crate::event::Interner;
use crate::secret::{Alphabet, Credential, Pepper, Schemes};

/// Longest row, bytes.
pub const ROW_BYTES_MAX: usize = 1 << 20;

/// Longest id, bytes.
const ID_BYTES_MAX: usize = 256;

const ANOTHER_ROW: &str = "another row of this id holds at the same time and differs; the later one counts";

/// Columns that a warning is given for; more are a file of another kind.
const UNKNOWN_COLUMNS_MAX: usize = 256;

/// What a load came to.
#[derive(Debug)]
pub struct Loaded {
    pub directory: Directory,
    pub findings: Findings,
}

/// Collects rows.
#[derive(Debug)]
pub struct DirectoryBuilder {
    directory: Directory,
    findings: Findings,
    pepper: Pepper,
    as_of: i64,
    environment: String,
    unknown_columns: BTreeSet<(Table, String)>,
}

impl DirectoryBuilder {
    #[must_use]
    pub fn new(pepper: &Pepper) -> Self {
        Self {
            directory: Directory::default(),
            findings: Findings::default(),
            pepper: pepper.clone(),
            as_of: 0,
            environment: String::new(),
            unknown_columns: BTreeSet::new(),
        }
    }

    /// Begins a snapshot: the rows that follow are of its time and environment. Several in a row (one a
    /// environment, say) become one directory.
    pub fn open(&mut self, snapshot: Snapshot) {
        self.as_of = snapshot.as_of;
        self.environment.clone_from(&snapshot.environment);
        self.directory.snapshots.push(snapshot);
    }

    /// Notes something that the reader of the files found.
    pub fn note(&mut self, code: FindingCode, place: Place<'_>, message: &str) {
        self.findings.add(code, place, "", message);
    }

    /// One line of NDJSON. Blank lines are no rows.
    pub fn push_json(&mut self, table: Table, place: Place<'_>, line: &[u8]) {
        if line.len() > ROW_BYTES_MAX {
            return self.note(FindingCode::BadRow, place, "the row is longer than 1 MiB; it is left out");
        }
        let Ok(text) = simdutf8::basic::from_utf8(line) else {
            return self.note(FindingCode::BadRow, place, "the row is not UTF-8; it is left out");
        };
        let text = text.trim_start_matches('\u{feff}').trim_ascii();
        if text.is_empty() {
            return;
        }
        match table {
            Table::Keys => self.parse(place, text).map(|row: KeyRow<'_>| self.add_key(&row, place)),
            Table::Principals => self.parse(place, text).map(|row: PrincipalRow<'_>| self.add_principal(&row, place)),
            Table::Tenants => self.parse(place, text).map(|row: TenantRow<'_>| self.add_tenant(&row, place)),
            Table::Grants => self.parse(place, text).map(|row: GrantRow<'_>| self.add_grant(&row, place)),
            Table::Routes => self.parse(place, text).map(|row: RouteRow<'_>| self.add_route(&row, place)),
            Table::Gateways => self.parse(place, text).map(|row: GatewayRow<'_>| self.add_gateway(&row, place)),
        };
    }

    /// `None` with a finding, whose text says where but not what: the message of the parser quotes the input.
    fn parse<'t, R: Deserialize<'t>>(&mut self, place: Place<'_>, text: &'t str) -> Option<R> {
        serde_json::from_str(text)
            .map_err(|error| {
                let what = if error.is_data() { "no JSON object" } else { "not JSON" };
                self.note(
                    FindingCode::BadRow,
                    place,
                    &format!("the row is {what} (column {}); it is left out", error.column()),
                );
            })
            .ok()
    }

    /// One record of a CSV file, as column names and cells.
    pub fn push_cells<'a>(&mut self, table: Table, place: Place<'_>, cells: impl Iterator<Item = (&'a str, &'a str)>) {
        let cells = cells.filter(|(_, text)| !text.is_empty());
        let taken = match table {
            Table::Keys => KeyRow::from_texts(cells).map(|row| self.add_key(&row, place)),
            Table::Principals => PrincipalRow::from_texts(cells).map(|row| self.add_principal(&row, place)),
            Table::Tenants => TenantRow::from_texts(cells).map(|row| self.add_tenant(&row, place)),
            Table::Grants => GrantRow::from_texts(cells).map(|row| self.add_grant(&row, place)),
            Table::Routes => RouteRow::from_texts(cells).map(|row| self.add_route(&row, place)),
            Table::Gateways => GatewayRow::from_texts(cells).map(|row| self.add_gateway(&row, place)),
        };
        if taken.is_err() {
            self.note(FindingCode::BadRow, place, "the record cannot be read; it is left out");
        }
    }

    fn add_key(&mut self, row: &KeyRow<'_>, place: Place<'_>) {
        self.warn_of_columns(Table::Keys, &row.unknown, place);
        let Some(id) = self.id_of("key_id", &row.key_id, place) else { return };
        let Self { directory, findings, pepper, as_of, environment, .. } = self;
        let mut intake = Intake { findings, place, id: &id };

        let mut hashes = intake.fingerprints(&row.fingerprints);
        let mut seen = None;
        match row.key.raw().map(str::trim) {
            Ok("") => {}
            Ok(key) => {
                let credential = Credential::of(key, pepper, Schemes::default());
                let hmac = credential.digests.fingerprint.0;
                if hashes.hmac.is_some_and(|written| written != hmac) {
                    intake.note(
                        FindingCode::OtherPepper,
                        "`key` and the `hmac-sha256` fingerprint differ: it was made under another pepper",
                    );
                }
                hashes.hmac = Some(hmac);
                hashes.parts = Some(pepper.parts(key));
                seen = Some(credential);
            }
            Err(_) => intake.note(FindingCode::BadValue, "`key` is not a text; it is left out"),
        }
        if hashes.is_empty() {
            intake.note(FindingCode::Unhashed, "the row has neither `key` nor `fingerprints`");
        }

        let mut written = intake.text("environment", &row.environment);
        if written.is_empty() {
            written = Cow::Borrowed(environment);
        }
        let mut prefix = intake.text("prefix", &row.prefix);
        let mut length = intake.whole("length", &row.length).and_then(|length| u16::try_from(length).ok()).unwrap_or(0);
        let mut last4 = last4_of(&intake.text("last4", &row.last4));
        if let Some(credential) = &seen {
            if prefix.is_empty() {
                prefix = Cow::Borrowed(&credential.prefix);
            }
            if length == 0 {
                length = credential.length;
            }
            if last4 == [0; 4] {
                last4 = last4_of(&credential.last4);
            }
        }
        let rare = KeyRare {
            revoked_at: intake.time("revoked_at", &row.revoked_at),
            grace_until: intake.time("grace_until", &row.grace_until),
            last_rotated_at: intake.time("last_rotated_at", &row.last_rotated_at),
            replaced_by: code(&mut directory.keys.ids, &intake.text("replaced_by", &row.replaced_by)),
            status_reason: code(&mut directory.vocabulary, &intake.text("status_reason", &row.status_reason)),
        };
        let terms = KeyTerms {
            environment: code(&mut directory.vocabulary, &written),
            scopes: directory.list_of(intake.list("scopes", &row.scopes)),
            models: directory.list_of(intake.list("models", &row.models)),
            allowed_regions: directory.list_of(intake.list("allowed_regions", &row.allowed_regions)),
            allowed_ips: directory.networks_of(&mut intake, &row.allowed_ips),
            prefix: code(&mut directory.vocabulary, &prefix),
            length,
        };
        let value = KeyValue {
            created_at: intake.time("created_at", &row.created_at),
            expires_at: intake.time("expires_at", &row.expires_at),
            principal: code(&mut directory.principal_ids, &intake.text("principal_id", &row.principal_id)),
            tenant: code(&mut directory.tenant_ids, &intake.text("tenant_id", &row.tenant_id)),
            terms: directory.keys.terms.intern(terms),
            rare: directory.keys.add_rare(rare),
            last4,
            status: intake.state("status", &row.status, KeyStatus::from_name),
        };
        let span = intake.validity(&row.valid_from, &row.valid_to, *as_of);
        let key_id = directory.keys.ids.intern(&id);
        let material = hashes.material(key_id);
        let keys = &mut directory.keys;
        let ix = keys.row_for(key_id, material, &hashes);
        let rival = keys.timeline.insert(ix, Version::new(span, value));
        if rival.is_some_and(|rival| directory.key_fields(&rival) != directory.key_fields(&value)) {
            intake.note(FindingCode::DuplicateRow, ANOTHER_ROW);
        }
    }

    fn add_principal(&mut self, row: &PrincipalRow<'_>, place: Place<'_>) {
        self.warn_of_columns(Table::Principals, &row.unknown, place);
        let Some(id) = self.id_of("principal_id", &row.principal_id, place) else { return };
        let Self { directory, findings, as_of, .. } = self;
        let mut intake = Intake { findings, place, id: &id };
        let federation = intake.map("federation", &row.federation);
        let mut federated = |name: &str| {
            let cell = federation.iter().find(|(member, _)| member == name).map(|(_, cell)| cell);
            cell.map_or(NONE, |cell| code(&mut directory.vocabulary, &intake.text("federation", cell)))
        };
        let (provider, subject, state) = (federated("provider"), federated("subject"), federated("state"));
        let value = PrincipalValue {
            status_since: intake.time("status_since", &row.status_since),
            name: code(&mut directory.vocabulary, &intake.text("name", &row.name)),
            tenant: code(&mut directory.tenant_ids, &intake.text("tenant_id", &row.tenant_id)),
            status_reason: code(&mut directory.vocabulary, &intake.text("status_reason", &row.status_reason)),
            roles: directory.list_of(intake.list("roles", &row.roles)),
            federation_provider: provider,
            federation_subject: subject,
            federation_state: state,
            manager: code(&mut directory.vocabulary, &intake.text("manager", &row.manager)),
            contact: code(&mut directory.vocabulary, &intake.text("contact", &row.contact)),
            mfa: intake.flag("mfa", &row.mfa),
            kind: intake.state("kind", &row.kind, PrincipalKind::from_name),
            status: intake.state("status", &row.status, PrincipalStatus::from_name),
        };
        let span = intake.validity(&row.valid_from, &row.valid_to, *as_of);
        let ix = directory.principal_ids.intern(&id);
        let rival = directory.principals.insert(ix, Version::new(span, value));
        if rival.is_some_and(|rival| directory.principal_fields(&rival) != directory.principal_fields(&value)) {
            intake.note(FindingCode::DuplicateRow, ANOTHER_ROW);
        }
    }

    fn add_tenant(&mut self, row: &TenantRow<'_>, place: Place<'_>) {
        self.warn_of_columns(Table::Tenants, &row.unknown, place);
        let Some(id) = self.id_of("tenant_id", &row.tenant_id, place) else { return };
        let Self { directory, findings, as_of, .. } = self;
        let mut intake = Intake { findings, place, id: &id };
        let quotas = intake.map("quotas", &row.quotas);
        let quota =
            |name: &str| quotas.iter().find(|(member, _)| member == name).map_or(&Cell::Absent, |(_, cell)| cell);
        let value = TenantValue {
            status_since: intake.time("status_since", &row.status_since),
            quota_tokens: intake.whole("quotas.tokens", quota("tokens")),
            quota_requests: intake.whole("quotas.requests", quota("requests")),
            quota_spend: intake.real("quotas.spend", quota("spend")),
            name: code(&mut directory.vocabulary, &intake.text("name", &row.name)),
            status_reason: code(&mut directory.vocabulary, &intake.text("status_reason", &row.status_reason)),
            plan: code(&mut directory.vocabulary, &intake.text("plan", &row.plan)),
            regions: directory.list_of(intake.list("regions", &row.regions)),
            status: intake.state("status", &row.status, TenantStatus::from_name),
        };
        let span = intake.validity(&row.valid_from, &row.valid_to, *as_of);
        let ix = directory.tenant_ids.intern(&id);
        let rival = directory.tenants.insert(ix, Version::new(span, value));
        if rival.is_some_and(|rival| directory.tenant_fields(&rival) != directory.tenant_fields(&value)) {
            intake.note(FindingCode::DuplicateRow, ANOTHER_ROW);
        }
    }

    fn add_grant(&mut self, row: &GrantRow<'_>, place: Place<'_>) {
        self.warn_of_columns(Table::Grants, &row.unknown, place);
        let Self { directory, findings, .. } = self;
        let mut intake = Intake { findings, place, id: "" };
        let principal = intake.text("principal_id", &row.principal_id);
        let (role, scope) = (intake.text("role", &row.role), intake.text("scope", &row.scope));
        let (mut from, mut to) = intake.span("from", &row.from, "to", &row.to);
        let (valid_from, valid_to) = intake.span("valid_from", &row.valid_from, "valid_to", &row.valid_to);
        (from, to) = (from.max(valid_from), to.min(valid_to));
        let principal = (!principal.is_empty()).then(|| Party::Principal(directory.principal_ids.intern(&principal)));
        let role = (!role.is_empty()).then(|| Party::Role(directory.vocabulary.intern(&role)));
        let scope = (!scope.is_empty()).then(|| Party::Scope(directory.vocabulary.intern(&scope)));
        let pairs = match (principal, role, scope) {
            (Some(principal), role, scope) if role.is_some() || scope.is_some() => {
                [role.map(|role| (principal, role)), scope.map(|scope| (principal, scope))]
            }
            (None, Some(role), Some(scope)) => [Some((role, scope)), None],
            (Some(_), _, _) | (None, _, _) => {
                return intake.note(
                    FindingCode::BadRow,
                    "a grant needs `principal_id` and `role` or `scope`, or `role` and `scope`",
                );
            }
        };
        directory.grants.list.extend(pairs.into_iter().flatten().map(|(subject, gives)| Grant {
            subject,
            gives,
            from,
            to,
        }));
    }

    fn add_route(&mut self, row: &RouteRow<'_>, place: Place<'_>) {
        self.warn_of_columns(Table::Routes, &row.unknown, place);
        let Some(path) = self.id_of("path", &row.path, place) else { return };
        let Self { directory, findings, environment, as_of, .. } = self;
        let mut intake = Intake { findings, place, id: &path };
        let span = intake.validity(&row.valid_from, &row.valid_to, *as_of);
        if span.to <= *as_of {
            return;
        }
        let method = intake.text("method", &row.method).to_ascii_uppercase();
        let mut written = intake.text("environment", &row.environment);
        if written.is_empty() {
            written = Cow::Borrowed(environment);
        }
        let route = RouteValue {
            method: if method == "*" || method == "ANY" { String::new() } else { method },
            required_scopes: directory.list_of(intake.list("required_scopes", &row.required_scopes)),
            tenant_from: code(&mut directory.vocabulary, &intake.text("tenant_from", &row.tenant_from)),
            environment: code(&mut directory.vocabulary, &written),
            region: code(&mut directory.vocabulary, &intake.text("region", &row.region)),
            models: directory.list_of(intake.list("models", &row.models)),
            sunset_at: intake.time("sunset_at", &row.sunset_at),
            template: path.into_owned(),
        };
        directory.routes.add(route);
    }

    fn add_gateway(&mut self, row: &GatewayRow<'_>, place: Place<'_>) {
        self.warn_of_columns(Table::Gateways, &row.unknown, place);
        let Some(id) = self.id_of("gateway_id", &row.gateway_id, place) else { return };
        let Self { directory, findings, environment, as_of, .. } = self;
        let mut intake = Intake { findings, place, id: &id };
        let span = intake.validity(&row.valid_from, &row.valid_to, *as_of);
        if span.to <= *as_of {
            return;
        }
        let mut written = intake.text("environment", &row.environment);
        if written.is_empty() {
            written = Cow::Borrowed(environment);
        }
        let shape = intake.map("key_shape", &row.key_shape);
        let rule = |name: &str| shape.iter().find(|(member, _)| member == name).map_or(&Cell::Absent, |(_, cell)| cell);
        let alphabet = intake.text("key_shape.alphabet", rule("alphabet")).to_ascii_lowercase();
        let alphabet = match alphabet.as_str() {
            "" => None,
            "hex" => Some(Alphabet::Hex),
            "alphanumeric" | "base62" => Some(Alphabet::Alphanumeric),
            "token" | "base64" | "base64url" => Some(Alphabet::Token),
            "printable" | "ascii" => Some(Alphabet::Printable),
            _ => {
                intake
                    .note(FindingCode::BadValue, "`key_shape.alphabet` is none of hex, alphanumeric, token, printable");
                None
            }
        };
        let gateway = GatewayValue {
            format: code(&mut directory.vocabulary, &intake.text("format", &row.format)),
            environment: code(&mut directory.vocabulary, &written),
            region: code(&mut directory.vocabulary, &intake.text("region", &row.region)),
            credential_places: directory.list_of(intake.list("credential_places", &row.credential_places)),
            prefixes: directory.list_of(intake.list("key_shape.prefixes", rule("prefixes"))),
            length: intake.whole("key_shape.length", rule("length")).and_then(|length| u16::try_from(length).ok()),
            alphabet,
            checksum: code(&mut directory.vocabulary, &intake.text("key_shape.checksum", rule("checksum"))),
            gateway_id: id.clone().into_owned(),
        };
        if let Some(same) = directory.gateways.iter_mut().find(|other| other.gateway_id == gateway.gateway_id) {
            intake.note(FindingCode::DuplicateRow, "another row of this gateway; the later one counts");
            *same = gateway;
        } else {
            directory.gateways.push(gateway);
        }
    }

    /// The id that a row must have; without it the row is left out.
    fn id_of<'c>(&mut self, column: &str, cell: &'c Cell<'_>, place: Place<'_>) -> Option<Cow<'c, str>> {
        let id = cell.text().ok().filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX);
        if id.is_none() {
            let message =
                format!("`{column}` is empty, longer than {ID_BYTES_MAX} bytes or no text; the row is left out");
            self.note(FindingCode::BadId, place, &message);
        }
        id
    }

    fn warn_of_columns(&mut self, table: Table, unknown: &[Cow<'_, str>], place: Place<'_>) {
        for column in unknown {
            if self.unknown_columns.len() < UNKNOWN_COLUMNS_MAX && self.unknown_columns.insert((table, shown(column))) {
                let message = format!("`{}` is no column of {}; it is left aside", shown(column), table.name());
                self.note(FindingCode::UnknownColumn, Place { line: 0, ..place }, &message);
            }
        }
    }

    /// The directory, checked as a whole.
    #[must_use]
    pub fn finish(self) -> Loaded {
        let Self { mut directory, mut findings, .. } = self;
        directory.principals.close_gaps();
        directory.tenants.close_gaps();
        directory.keys.timeline.close_gaps();
        directory.seal();
        directory.source = join_sources(&directory.snapshots);
        directory.version = version::of(&directory);
        check::check(&directory, &mut findings);
        Loaded { directory, findings }
    }
}

impl Directory {
    /// The code of a list of words, in an order of its own: the one of the file means nothing.
    fn list_of(&mut self, mut texts: Vec<Cow<'_, str>>) -> u32 {
        if texts.is_empty() {
            return NONE;
        }
        texts.sort_unstable();
        texts.dedup();
        let words = texts.iter().map(|text| self.vocabulary.intern(text)).collect();
        self.lists.intern(words)
    }

    /// As [`Directory::list_of`], and the same as networks: addresses are networks of one.
    fn networks_of(&mut self, intake: &mut Intake<'_>, cell: &Cell<'_>) -> u32 {
        let texts = intake.list("allowed_ips", cell);
        let list = self.list_of(texts.clone());
        if list == NONE || self.networks.contains_key(&list) {
            return list;
        }
        let mut networks = Vec::with_capacity(texts.len());
        for text in texts {
            match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => networks.push(network),
                Err(_) => intake
                    .note(FindingCode::BadValue, "`allowed_ips` holds what is no address or network; it is left out"),
            }
        }
        self.networks.insert(list, networks.into());
        list
    }

    /// Builds what look-ups need, after the last row.
    pub(super) fn seal(&mut self) {
        self.keys.seal();
        self.grants.seal();
        self.principals.shrink();
        self.tenants.shrink();
        self.principal_ids.shrink_to_fit();
        self.tenant_ids.shrink_to_fit();
        self.vocabulary.shrink_to_fit();
        self.names.clear();
        for principal in 0..super::distinct::code_of(self.principals.len()) {
            let Some(version) = self.principals.newest(principal) else { continue };
            if version.value.name != NONE {
                self.names.entry(version.value.name).and_modify(|ix| *ix = NONE).or_insert(principal);
            }
        }
    }
}

/// The code of a text; [`NONE`] for the empty one.
fn code(interner: &mut Interner, text: &str) -> u32 {
    if text.is_empty() { NONE } else { interner.intern(text) }
}

/// Up to four ASCII characters from the end, padded with zero.
fn last4_of(text: &str) -> [u8; 4] {
    let mut last4 = [0; 4];
    if text.is_ascii() {
        let tail = &text.as_bytes()[text.len().saturating_sub(4)..];
        last4[..tail.len()].copy_from_slice(tail);
    }
    last4
}

fn join_sources(snapshots: &[Snapshot]) -> String {
    let sources: BTreeSet<&str> = snapshots.iter().map(|snapshot| snapshot.source.as_str()).collect();
    let sources: Vec<&str> = sources.into_iter().filter(|source| !source.is_empty()).collect();
    sources.join("+")
}
