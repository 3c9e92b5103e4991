//! Who did what with Claviger itself: every access to the serving side as a record of the table `audit`.
//!
//! Promises that each tenant's records are numbered from 1 without gaps, that their instants never run backwards, and
//! that a clock which was set back is itself on record. Does not store or sign: the shell's room of this name does.
//!
//! A record belongs to the tenant whose rows the caller may see, or to the operator's own chain (no tenant) when the
//! caller may see all. Names are those of tokens and of claims; put nothing more telling of a person in them.

mod numbering;
mod rows;

use crate::access::{Caller, TenantScope};
use crate::decode::scrub::scrub;

pub use numbering::{Numbering, Place};
pub use rows::{AUDIT_SCHEMA, audit_rows, meaning_of_audit_column};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable word that is stored, shown and queried.
            #[must_use]
            pub const fn word(self) -> &'static str { match self { $(Self::$variant => $word),* } }
        }
    };
}

words! {
    /// What was done.
    Action {
        Query "query";
        Report "report";
        Diagnose "diagnose";
        /// Incidents, findings, entities, the overview, the live stream.
        Read "read";
        /// Acknowledged, silenced, resolved, noted or judged.
        ChangeIncident "change_incident";
        Export "export";
        /// The trail itself was looked at, or a proof of it taken.
        ReadAudit "read_audit";
        /// Tokens made, rotated or revoked.
        ChangeToken "change_token";
        BeginSession "begin_session";
        EndSession "end_session";
        /// Saved queries and other settings.
        ChangeSettings "change_settings";
        /// Something that is not served, or that nobody may.
        Unknown "unknown";
        StartLog "start_log";
        StopLog "stop_log";
        /// Accesses went unrecorded; `what` says how many.
        LoseRecords "lose_records";
        /// The clock was set back; `what` says by how much.
        SetClockBack "set_clock_back";
    }
}

impl Action {
    /// Whether it must be on record before it is acknowledged: it changes something, or takes records out.
    #[must_use]
    pub const fn must_be_recorded(self) -> bool {
        match self {
            Self::ChangeIncident
            | Self::Export
            | Self::ChangeToken
            | Self::ChangeSettings
            | Self::StartLog
            | Self::StopLog
            | Self::LoseRecords
            | Self::SetClockBack => true,
            Self::Query
            | Self::Report
            | Self::Diagnose
            | Self::Read
            | Self::ReadAudit
            | Self::BeginSession
            | Self::EndSession
            | Self::Unknown => false,
        }
    }
}

words! {
    /// How it ended.
    Outcome {
        /// It is about to happen; another record tells how it ended.
        Begun "begun";
        Done "done";
        /// Who asked may not, or did not say who it was.
        Refused "refused";
        /// What was asked is wrong.
        Wrong "wrong";
        Failed "failed";
        /// The caller left before the answer was complete.
        Left "left";
    }
}

impl Outcome {
    /// The outcome that an HTTP status tells.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 | 429 => Self::Refused,
            400..500 => Self::Wrong,
            500.. => Self::Failed,
            _ => Self::Done,
        }
    }
}

/// One access, not numbered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whose rows were within reach; empty for everybody's.
    pub tenant: String,
    /// Name of the caller; empty when it did not prove one.
    pub who: String,
    /// How it proved that: loopback, token or oidc; empty when it did not.
    pub proof: &'static str,
    pub action: Action,
    /// What exactly: the report, the statement, the incident.
    pub what: String,
    /// Tables of the lake that were read.
    pub tables: Vec<String>,
    /// Address that it came from.
    pub address: String,
    pub request_id: String,
    pub outcome: Outcome,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub took_us: Option<i64>,
}

impl Access {
    /// Characters kept of a text that a caller wrote.
    pub const TEXT_CHARS_MAX: usize = 4_000;

    /// What a caller does, about to be filled with how it went.
    #[must_use]
    pub fn by(caller: &Caller, action: Action, what: String) -> Self {
        Self {
            tenant: match &caller.tenants {
                TenantScope::One(tenant) => tenant.clone(),
                TenantScope::All => String::new(),
            },
            who: caller.name.clone(),
            proof: caller.proof.word(),
            ..Self::of_log(action, what)
        }
    }

    /// Something that the log itself has to say, in the operator's chain.
    #[must_use]
    pub fn of_log(action: Action, what: String) -> Self {
        Self {
            tenant: String::new(),
            who: "claviger".to_owned(),
            proof: "",
            action,
            what,
            tables: Vec::new(),
            address: String::new(),
            request_id: String::new(),
            outcome: Outcome::Done,
            rows: None,
            bytes: None,
            took_us: None,
        }
    }

    /// The same with every text within bounds.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for text in [&mut self.tenant, &mut self.who, &mut self.what, &mut self.address, &mut self.request_id] {
            if let Some((end, _)) = text.char_indices().nth(Self::TEXT_CHARS_MAX) {
                text.truncate(end);
            }
        }
        self
    }
}

/// A statement as it stands on record: whole up to the length that is kept, with whatever looks like a key masked.
#[must_use]
pub fn statement(sql: &str) -> String {
    let end = sql.char_indices().nth(Access::TEXT_CHARS_MAX).map_or(sql.len(), |(end, _)| end);
    scrub(sql.get(..end).unwrap_or(sql), &[]).into_owned()
}

/// A numbered access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// From 1 within the tenant's chain.
    pub sequence: u64,
    pub at_us: i64,
    pub access: Access,
}

#[cfg(test)]
mod tests;
