//! A newer snapshot over an older directory: differences become history.
//!
//! The newer directory is taken as it is, and what the older one knew beyond it is added: versions that ended,
//! rows that vanished. A difference dates from the newer snapshot's `as_of`, or from the time that the newer row
//! itself names for it. Rows with dates of their own (`valid_from`) are believed from their first date on.

use super::distinct::NONE;
use super::fields::Field;
use super::grants::{Grant, Party};
use super::keys::{RowHashes, Scheme};
use super::status::KeyStatus;
use super::timeline::{EVER, Moment, OPEN, Span, Timeline, Version};
use super::values::{KeyRare, KeyTerms, KeyValue, PrincipalValue, TenantValue};
use super::{Directory, KeyIx, PrincipalIx, TenantIx};

/// What is written as the reason of a secret that was exchanged under its old id.
const ROTATED: &str = "rotated";

impl Directory {
    /// `newer`, with all that `previous` knew of the time before.
    #[must_use]
    pub fn succeed(previous: &Self, newer: Self) -> Self {
        Self::follow(previous, newer, true)
    }

    /// `newer`, with the history that an earlier process left in [`Directory::past_rows`]. Rows that those do not
    /// hold are not new: they had no history to be kept.
    #[must_use]
    pub fn recall(past: &Self, newer: Self) -> Self {
        Self::follow(past, newer, false)
    }

    fn follow(previous: &Self, newer: Self, complete: bool) -> Self {
        if previous.snapshots.is_empty() {
            return newer;
        }
        let mut next = newer;
        let at = next.noticed_at().max(previous.noticed_at());
        let mut take = Succession { previous, next: &mut next, at, complete };
        take.principals();
        take.tenants();
        take.keys();
        take.grants();
        next.seal();
        next
    }
}

struct Succession<'a> {
    previous: &'a Directory,
    next: &'a mut Directory,
    at: i64,
    /// `previous` holds every row of its time.
    complete: bool,
}

/// How the newer snapshot's word on a row follows on from the older one's.
enum Join {
    /// Nothing differs: the version reaches back to where it began.
    Continues { from: i64 },
    /// It differs since `from`.
    Turns { from: i64 },
    /// The newer rows bring their own dates.
    Dated { from: i64 },
}

impl Join {
    fn of<V: Copy>(next: &Timeline<V>, ix: u32, undated: bool, before: &Version<V>, same: bool, turned: i64) -> Self {
        let oldest = next.versions(ix).last().map_or(EVER, |version| version.from);
        if !undated {
            Self::Dated { from: oldest }
        } else if same && before.to == OPEN {
            Self::Continues { from: before.from }
        } else {
            Self::Turns { from: turned }
        }
    }

    /// Applies it: `older` are the earlier versions, newest first, in terms of the newer directory.
    fn apply<V: Copy>(self, next: &mut Timeline<V>, ix: u32, older: Vec<Version<V>>) {
        let begins = match self {
            Self::Continues { from } | Self::Turns { from } => {
                if let Some(newest) = next.newest_mut(ix) {
                    newest.from = from;
                }
                from
            }
            Self::Dated { from } => from,
        };
        for mut version in older.into_iter().filter(|version| version.from < begins) {
            version.to = version.to.min(begins);
            next.insert(ix, version);
        }
    }
}

fn same(before: &[Field<'_>], after: &[Field<'_>]) -> bool {
    before == after
}

/// The time a row names for its change, if it can be the time of this one.
fn turned(named: Moment, before: Moment, noticed: i64) -> i64 {
    named.get().filter(|&named_at| named != before && named_at <= noticed).unwrap_or(noticed)
}

impl Succession<'_> {
    fn principals(&mut self) {
        let previous = self.previous;
        for PrincipalIx(old) in previous.principals() {
            let ix = self.next.principal_ids.intern(previous.principal_ids.get(old));
            let Some(before) = previous.principals.newest(old) else { continue };
            let join = self.next.principals.newest(ix).map(|after| {
                let same = same(&previous.principal_fields(&before.value), &self.next.principal_fields(&after.value));
                let turned = turned(after.value.status_since, before.value.status_since, self.at);
                let undated = self.next.principals.is_undated(ix);
                Join::of(&self.next.principals, ix, undated, before, same, turned)
            });
            if let Some(Join::Continues { from }) = join
                && previous.principals.is_constant(old)
            {
                Join::Continues { from }.apply(&mut self.next.principals, ix, Vec::new());
                continue;
            }
            let older: Vec<_> =
                previous.principals.versions(old).map(|version| self.principal_version(version)).collect();
            match join {
                Some(join) => join.apply(&mut self.next.principals, ix, older),
                None => end(&mut self.next.principals, ix, older, self.at),
            }
        }
    }

    fn tenants(&mut self) {
        let previous = self.previous;
        for TenantIx(old) in previous.tenants() {
            let ix = self.next.tenant_ids.intern(previous.tenant_ids.get(old));
            let Some(before) = previous.tenants.newest(old) else { continue };
            let join = self.next.tenants.newest(ix).map(|after| {
                let same = same(&previous.tenant_fields(&before.value), &self.next.tenant_fields(&after.value));
                let turned = turned(after.value.status_since, before.value.status_since, self.at);
                let undated = self.next.tenants.is_undated(ix);
                Join::of(&self.next.tenants, ix, undated, before, same, turned)
            });
            let older: Vec<_> = previous.tenants.versions(old).map(|version| self.tenant_version(version)).collect();
            match join {
                Some(join) => join.apply(&mut self.next.tenants, ix, older),
                None => end(&mut self.next.tenants, ix, older, self.at),
            }
        }
    }

    fn keys(&mut self) {
        let previous = self.previous;
        let fresh = self.next.keys.entries.len();
        // What the newer snapshot alone holds is known since now; the loop below takes it back for the rest.
        for entry in self.next.keys.entries.iter_mut().filter(|_| self.complete) {
            entry.known_since = Some(self.at).into();
        }
        let mut gone: Vec<(u32, u32)> = Vec::new();
        for KeyIx(old) in previous.keys() {
            let entry = previous.keys.entries[old as usize];
            let id = self.next.keys.ids.intern(previous.keys.ids.get(entry.id));
            let mut material = entry.material;
            if material.scheme == Scheme::Unhashed {
                material = RowHashes::default().material(id);
            }
            let Some(before) = previous.keys.timeline.newest(old) else { continue };
            let Some(ix) = self.next.keys.find_row(id, material).filter(|&ix| (ix as usize) < fresh) else {
                let ix = self.next.keys.row_for(id, material, &RowHashes::default());
                self.next.keys.entries[ix as usize].known_since = entry.known_since;
                self.leave_behind(old, ix, id);
                gone.push((old, ix));
                continue;
            };
            self.next.keys.entries[ix as usize].known_since = entry.known_since;
            let Some(after) = self.next.keys.timeline.newest(ix).copied() else { continue };
            let same = before.value.last4 == after.value.last4
                && same(&previous.key_fields(&before.value), &self.next.key_fields(&after.value));
            let (_, rare_before) = previous.key_parts(&before.value);
            let (_, rare_after) = self.next.key_parts(&after.value);
            let turned = turned(rare_after.revoked_at, rare_before.revoked_at, self.at);
            let undated = self.next.keys.timeline.is_undated(ix);
            let join = Join::of(&self.next.keys.timeline, ix, undated, before, same, turned);
            let older = match join {
                Join::Continues { .. } if previous.keys.timeline.is_constant(old) => Vec::new(),
                Join::Continues { .. } | Join::Turns { .. } | Join::Dated { .. } => self.key_versions(old),
            };
            join.apply(&mut self.next.keys.timeline, ix, older);
        }
        gone.sort_unstable();
        self.next.keys.adopt_hashes(&previous.keys, |old| {
            gone.binary_search_by_key(&old, |&(old, _)| old).ok().map(|found| gone[found].1)
        });
    }

    /// A credential that the newer snapshot lacks: gone, or exchanged for a new one under the same id.
    fn leave_behind(&mut self, old: u32, ix: u32, id: u32) {
        let older = self.key_versions(old);
        let Some(&last) = older.first() else { return };
        let heir = self.next.keys.of_id(id).filter(|&heir| heir != ix);
        let Some(heir) = heir.and_then(|heir| self.next.keys.timeline.newest(heir)).filter(|_| last.to == OPEN) else {
            return end(&mut self.next.keys.timeline, ix, older, self.at);
        };
        let (_, rare) = self.next.key_parts(&heir.value);
        let ended = rare.last_rotated_at.get().filter(|&rotated| rotated > last.from && rotated <= self.at);
        let ended = ended.unwrap_or(self.at);
        let (_, &rare) = self.next.key_parts(&last.value);
        if rare.replaced_by == id {
            // Exchanged before an earlier snapshot: what was noted then still holds.
            return end(&mut self.next.keys.timeline, ix, older, OPEN);
        }
        let rare = KeyRare {
            revoked_at: Some(ended).into(),
            grace_until: Some(rare.grace_until.get().unwrap_or(ended)).into(),
            replaced_by: id,
            status_reason: self.next.vocabulary.intern(ROTATED),
            ..rare
        };
        let rare = self.next.keys.add_rare(rare);
        let value = KeyValue { status: KeyStatus::Revoked, rare, ..last.value };
        for mut version in older {
            version.to = version.to.min(ended);
            self.next.keys.timeline.insert(ix, version);
        }
        self.next.keys.timeline.insert(ix, Version::new(Span { from: ended, to: OPEN, dated: true }, value));
    }

    fn grants(&mut self) {
        let before: Vec<Grant> = self.previous.grants.list.iter().map(|grant| self.grant(grant)).collect();
        let key = |grant: &Grant| (grant.subject, grant.gives);
        let mut sorted = before;
        sorted.sort_unstable();
        let open_before = |grant: &Grant| {
            let start = sorted.partition_point(|other| key(other) < key(grant));
            sorted[start..]
                .iter()
                .take_while(|other| key(other) == key(grant))
                .find(|other| other.to > self.at)
                .copied()
        };
        let (previous, at) = (self.previous, self.at);
        let complete = self.complete;
        let known = |directory: &Directory, subject: Party| match subject {
            _ if !complete => false,
            Party::Principal(ix) => previous.find_principal(directory.principal_ids.get(ix)).is_some(),
            Party::Role(_) | Party::Scope(_) => true,
        };
        let mut list = std::mem::take(&mut self.next.grants.list);
        for grant in list.iter_mut().filter(|grant| grant.from == EVER) {
            grant.from = match open_before(grant) {
                Some(before) => before.from,
                None if known(self.next, grant.subject) => at,
                None => EVER,
            };
        }
        let mut kept = list.clone();
        kept.sort_unstable();
        for mut grant in sorted {
            let start = kept.partition_point(|other| key(other) < key(&grant));
            let goes_on = |other: &&Grant| other.from <= grant.from && grant.from < other.to;
            if kept[start..].iter().take_while(|other| key(other) == key(&grant)).any(|other| goes_on(&other)) {
                continue;
            }
            grant.to = grant.to.min(at);
            list.push(grant);
        }
        self.next.grants.list = list;
    }

    fn word(&mut self, code: u32) -> u32 {
        if code == NONE { NONE } else { self.next.vocabulary.intern(self.previous.vocabulary.get(code)) }
    }

    fn list(&mut self, code: u32) -> u32 {
        let previous = self.previous;
        let Some(words) = previous.lists.get(code) else { return NONE };
        let words = words.iter().map(|&word| self.word(word)).collect();
        let list = self.next.lists.intern(words);
        if let Some(networks) = previous.networks.get(&code) {
            self.next.networks.entry(list).or_insert_with(|| networks.clone());
        }
        list
    }

    fn principal_id(&mut self, code: u32) -> u32 {
        if code == NONE { NONE } else { self.next.principal_ids.intern(self.previous.principal_ids.get(code)) }
    }

    fn tenant_id(&mut self, code: u32) -> u32 {
        if code == NONE { NONE } else { self.next.tenant_ids.intern(self.previous.tenant_ids.get(code)) }
    }

    fn principal_version(&mut self, version: &Version<PrincipalValue>) -> Version<PrincipalValue> {
        let value = version.value;
        let value = PrincipalValue {
            name: self.word(value.name),
            tenant: self.tenant_id(value.tenant),
            status_reason: self.word(value.status_reason),
            roles: self.list(value.roles),
            federation_provider: self.word(value.federation_provider),
            federation_subject: self.word(value.federation_subject),
            federation_state: self.word(value.federation_state),
            manager: self.word(value.manager),
            contact: self.word(value.contact),
            ..value
        };
        Version::new(past(version), value)
    }

    fn tenant_version(&mut self, version: &Version<TenantValue>) -> Version<TenantValue> {
        let value = version.value;
        let value = TenantValue {
            name: self.word(value.name),
            status_reason: self.word(value.status_reason),
            plan: self.word(value.plan),
            regions: self.list(value.regions),
            ..value
        };
        Version::new(past(version), value)
    }

    fn key_versions(&mut self, old: u32) -> Vec<Version<KeyValue>> {
        let previous = self.previous;
        let versions = previous.keys.timeline.versions(old);
        versions.map(|version| Version::new(past(version), self.key_value(&version.value))).collect()
    }

    fn key_value(&mut self, value: &KeyValue) -> KeyValue {
        let (&terms, &rare) = self.previous.key_parts(value);
        let terms = KeyTerms {
            environment: self.word(terms.environment),
            scopes: self.list(terms.scopes),
            models: self.list(terms.models),
            allowed_regions: self.list(terms.allowed_regions),
            allowed_ips: self.list(terms.allowed_ips),
            prefix: self.word(terms.prefix),
            length: terms.length,
        };
        let replaced_by = match rare.replaced_by {
            NONE => NONE,
            id => self.next.keys.ids.intern(self.previous.keys.ids.get(id)),
        };
        let rare = KeyRare { replaced_by, status_reason: self.word(rare.status_reason), ..rare };
        KeyValue {
            principal: self.principal_id(value.principal),
            tenant: self.tenant_id(value.tenant),
            terms: self.next.keys.terms.intern(terms),
            rare: self.next.keys.add_rare(rare),
            ..*value
        }
    }

    fn grant(&mut self, grant: &Grant) -> Grant {
        Grant { subject: self.party(grant.subject), gives: self.party(grant.gives), ..*grant }
    }

    fn party(&mut self, party: Party) -> Party {
        match party {
            Party::Principal(ix) => Party::Principal(self.principal_id(ix)),
            Party::Role(word) => Party::Role(self.word(word)),
            Party::Scope(word) => Party::Scope(self.word(word)),
        }
    }
}

/// When an earlier version held: that is history now, and no later snapshot takes its place.
fn past<V>(version: &Version<V>) -> Span {
    Span { from: version.from, to: version.to, dated: true }
}

/// Takes over the versions of a row that is gone since `at`, if it was not before.
fn end<V: Copy>(next: &mut Timeline<V>, ix: u32, older: Vec<Version<V>>, at: i64) {
    for mut version in older {
        version.to = version.to.min(at);
        next.insert(ix, version);
    }
}
