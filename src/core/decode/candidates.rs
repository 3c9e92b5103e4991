//! Which credential a request is judged by: all that it carried, the one that counts, and how many differ.
//!
//! A gateway reads one place, and the log does not say which. So what the log shows is preferred to what the gateway
//! masked, and of several the one whose place comes first in the options.

use std::borrow::Cow;

use super::DecodeOptions;
use super::fields::{Draft, Presented};
use super::presented::{self, CredentialKind};
use super::uri;

/// Credentials of one request that are looked at; further ones change no verdict.
const CANDIDATES_MAX: usize = 7;
/// Credentials of one query that are looked at.
const QUERIED_MAX: usize = 2;
/// The place that no option names: user and password of a URL.
const IN_URL: u8 = u8::MAX;
/// Shortest credential that is looked for in the other texts of its request: shorter ones are words as well.
const ECHO_BYTES_MIN: usize = 8;

/// What a query holds for us. Not to be printed.
#[derive(Default)]
pub(super) struct Query<'a> {
    credentials: [Option<(u8, Cow<'a, str>)>; QUERIED_MAX],
    /// The tenant whose resources it names; empty when it names none.
    pub tenant: &'a str,
}

impl<'a> Query<'a> {
    pub(super) fn of(target: &'a str, options: &DecodeOptions) -> Self {
        let mut read = Self::default();
        let query = uri::query(target);
        if query.is_empty() {
            return read;
        }
        let mut free = read.credentials.iter_mut();
        for (name, value) in uri::pairs(query).filter(|(_, value)| !value.is_empty()) {
            if let Some(param) = options.credential_params.iter().position(|param| param.eq_ignore_ascii_case(name)) {
                if let Some(free) = free.next() {
                    let place = u8::try_from(options.credential_headers.len() + param).unwrap_or(IN_URL);
                    *free = Some((place, uri::percent_decoded(value)));
                }
            } else if read.tenant.is_empty() && options.tenant_params.iter().any(|param| param == name) {
                read.tenant = value;
            }
        }
        read
    }
}

/// A credential without its scheme. Not to be printed.
pub(super) struct Candidate<'a> {
    /// Index into the places of the options, or [`IN_URL`].
    pub place: u8,
    pub kind: CredentialKind,
    /// Empty when the log does not show it.
    pub key: Cow<'a, str>,
}

/// The credentials of one request, in the order of the log.
pub(super) struct Candidates<'a> {
    list: [Candidate<'a>; CANDIDATES_MAX],
    count: usize,
}

impl<'a> Candidates<'a> {
    pub(super) fn of(draft: &Draft<'a>, query: &'a Query<'_>, target: &'a str, places: &[String]) -> Self {
        let nothing = |_| Candidate { place: 0, kind: CredentialKind::ApiKey, key: Cow::Borrowed("") };
        let mut candidates = Self { list: std::array::from_fn(nothing), count: 0 };
        let queried = query.credentials.iter().flatten().map(|(place, value)| Presented { place: *place, value });
        for Presented { place, value } in draft.presented().iter().copied().chain(queried) {
            let (kind, key) = presented::key_of(name_of(place, places), value);
            candidates.add(Candidate { place, kind, key });
        }
        let userinfo = uri::userinfo(target);
        if !userinfo.is_empty() {
            let key = uri::percent_decoded(password_of(userinfo));
            candidates.add(Candidate { place: IN_URL, kind: CredentialKind::Basic, key });
        }
        candidates
    }

    fn add(&mut self, candidate: Candidate<'a>) {
        if let Some(free) = self.list.get_mut(self.count) {
            *free = candidate;
            self.count += 1;
        }
    }

    fn all(&self) -> &[Candidate<'a>] {
        &self.list[..self.count]
    }

    /// The one that counts; `None` when the request carried none.
    pub(super) fn chosen(&self) -> Option<&Candidate<'a>> {
        let shown = self.all().iter().filter(|candidate| candidate.kind != CredentialKind::Redacted);
        shown.min_by_key(|candidate| candidate.place).or(self.all().first())
    }

    /// How many keys differ, of those that the log shows; at least the one that was chosen.
    pub(super) fn differing(&self) -> i16 {
        let is_new = |(index, candidate): &(usize, &Candidate<'_>)| {
            !candidate.key.is_empty() && !self.all()[..*index].iter().any(|earlier| earlier.key == candidate.key)
        };
        let count = self.all().iter().enumerate().filter(is_new).count().max(1);
        i16::try_from(count).unwrap_or(i16::MAX)
    }

    /// `text` without the credentials of its request: error messages quote them, callers put them into paths.
    pub(super) fn without_echoes<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let echoed = |key: &&str| key.len() >= ECHO_BYTES_MIN && text.len() >= key.len() && text.contains(*key);
        let mut echoes = self.all().iter().map(|candidate| candidate.key.as_ref()).filter(echoed);
        match echoes.next() {
            None => Cow::Borrowed(text),
            Some(first) => Cow::Owned(echoes.fold(text.replace(first, "…"), |text, key| text.replace(key, "…"))),
        }
    }
}

/// A place in the words of the event column.
pub(super) fn name_of(place: u8, places: &[String]) -> &str {
    places.get(usize::from(place)).map_or("url", String::as_str)
}

/// The password, or the user where there is none: some platforms take the key as the user.
fn password_of(userinfo: &str) -> &str {
    match userinfo.split_once(':') {
        Some((user, "")) => user,
        Some((_, password)) => password,
        None => userinfo,
    }
}
