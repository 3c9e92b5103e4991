//! From what the log said to a row: the credential is chosen and hashed, what bodies and counters tell is read, and
//! every text leaves its secrets behind.

use std::borrow::Cow;

use super::DecodeOptions;
use super::body;
use super::candidates::{Candidates, Query, name_of};
use super::credentials::CredentialTable;
use super::document::{At, Refusal};
use super::fields::Draft;
use super::per_value::{TEXT_BYTES_MAX, kept};
use super::presented::CredentialKind;
use super::uri;
use crate::event::{EventBuilder, Row};
use crate::reject::RejectReason;
use crate::secret::Schemes;

/// Earliest time an event may claim: 2000-01-01.
const EVENT_AT_MIN: i64 = 946_684_800_000_000;
/// How far ahead of us a gateway's clock may be.
const AHEAD_MAX_US: i64 = 24 * 3_600 * 1_000_000;
/// Longest message of a gateway that is kept, bytes.
const MESSAGE_BYTES_MAX: usize = 240;

/// What rows go into, and what they need to get there.
#[derive(Default)]
pub(super) struct Columns {
    pub received_at: i64,
    pub schemes: Schemes,
    pub events: EventBuilder,
    pub credentials: CredentialTable,
}

impl Columns {
    /// Adds a row, unless the draft lacks what an event cannot do without.
    pub(super) fn push<'a>(
        &mut self,
        at: At<'_>,
        draft: &mut Draft<'a>,
        options: &DecodeOptions,
        places: &'a [String],
    ) -> Result<(), Refusal> {
        let status = self.status_of(draft)?;
        let target = if draft.uri.is_empty() { draft.url } else { draft.uri };
        let query = Query::of(target, options);
        if draft.row.tenant_asked.is_empty() {
            draft.row.tenant_asked = query.tenant;
        }
        let candidates = Candidates::of(draft, &query, target, places);
        self.push_credential(draft, &candidates, status, options, places);
        complete(draft, status);
        self.push_row(at, draft, target, &candidates, &options.key_prefixes);
        Ok(())
    }

    /// The status of a draft that has one, and a time that can be.
    fn status_of(&self, draft: &Draft<'_>) -> Result<i16, Refusal> {
        let event_at = draft.row.event_at.ok_or((RejectReason::NoTime, "missing"))?;
        if !(EVENT_AT_MIN..=self.received_at.saturating_add(AHEAD_MAX_US)).contains(&event_at) {
            return Err((RejectReason::NoTime, "before 2000, or more than a day ahead"));
        }
        draft.row.status.ok_or((RejectReason::NoStatus, ""))
    }

    /// The credential of the next row, and what its columns say of it.
    fn push_credential<'a>(
        &mut self,
        draft: &mut Draft<'a>,
        candidates: &Candidates<'_>,
        status: i16,
        options: &DecodeOptions,
        places: &'a [String],
    ) {
        let row = &mut draft.row;
        if let Some(chosen) = candidates.chosen() {
            row.credential_kind = chosen.kind.name();
            if row.credential_place.is_empty() {
                row.credential_place = name_of(chosen.place, places);
            }
            row.credentials = Some(candidates.differing());
            if chosen.key.is_empty() {
                self.credentials.push_none();
            } else {
                let refused = (400..500).contains(&status);
                self.credentials.push(chosen.kind, &chosen.key, refused, &options.pepper, self.schemes);
            }
        } else if draft.fingerprint.is_empty() {
            self.credentials.push_none();
        } else {
            row.credential_kind = CredentialKind::ApiKey.name();
            row.credentials = Some(1);
            self.credentials.push_fingerprint(draft.fingerprint);
        }
    }

    fn push_row(
        &mut self,
        at: At<'_>,
        draft: &Draft<'_>,
        target: &str,
        candidates: &Candidates<'_>,
        own_prefixes: &[String],
    ) {
        let row = &draft.row;
        let host = row.host.rsplit_once('@').map_or(row.host, |(_, host)| host);
        let [host, route, user_agent, client_address, consumer, gateway_code, tenant_asked] =
            [host, row.route, row.user_agent, row.client_address, row.consumer, row.gateway_code, row.tenant_asked]
                .map(|text| candidates.without_echoes(text));
        // These seldom repeat, so they are masked here; the others once a distinct value, when the batch is complete.
        let unique = |text, bytes_max| match candidates.without_echoes(text) {
            Cow::Borrowed(text) => kept(text, own_prefixes, bytes_max),
            Cow::Owned(text) => Cow::Owned(kept(&text, own_prefixes, bytes_max).into_owned()),
        };
        let [path, request_id, trace_id] =
            [uri::path(target), row.request_id, row.trace_id].map(|text| unique(text, TEXT_BYTES_MAX));
        self.events.push(&Row {
            topic: &at.stream.topic,
            partition: Some(at.stream.partition),
            offset: Some(at.offset),
            part: Some(at.part),
            ingested_at: Some(self.received_at),
            path: &path,
            request_id: &request_id,
            trace_id: &trace_id,
            host: &host,
            route: &route,
            user_agent: &user_agent,
            client_address: &client_address,
            consumer: &consumer,
            gateway_code: &gateway_code,
            gateway_message: &unique(row.gateway_message, MESSAGE_BYTES_MAX),
            tenant_asked: &tenant_asked,
            ..row.clone()
        });
    }
}

/// Fills in what the log says elsewhere than in its own field.
fn complete(draft: &mut Draft<'_>, status: i16) {
    if draft.anonymous {
        draft.row.consumer = "anonymous";
    }
    if draft.row.host.is_empty() {
        draft.row.host = uri::host(draft.url);
    }
    if !draft.request_body.is_empty() && draft.row.ai_model.is_empty() {
        draft.row.ai_model = body::text_member(draft.request_body, "model");
    }
    if !draft.response_body.is_empty() {
        body::read_response(draft, status);
    }
    read_counters(draft, status);
}

/// A spent counter says that a limiter refused. Which limit it was, the answer says where it is logged, except that
/// Kong's is the same for all windows.
fn read_counters(draft: &mut Draft<'_>, status: i16) {
    let row = &mut draft.row;
    if !matches!(status, 429 | 503) || !row.gateway_code.is_empty() {
        return;
    }
    if draft.quota_spent {
        row.gateway_code = "quota_spent";
    } else if draft.limit_spent && row.gateway_message.is_empty() {
        row.gateway_code = "rate_limit_spent";
    }
}
