//! What a ledger of tokens promises, by example and for any order of events.

use proptest::prelude::*;

use super::*;
use crate::access::Scope;
use crate::access::token::RANDOM_BYTES;
use crate::secret::Pepper;

fn token(seed: u8) -> Token {
    Token::mint(&std::array::from_fn::<u8, RANDOM_BYTES, _>(|place| seed ^ u8::try_from(place).unwrap()))
}

fn key() -> TokenKey {
    TokenKey::new(&Pepper::new(b"0123456789abcdef").unwrap())
}

fn grant(seed: u8, expires_at_us: Option<i64>) -> Grant {
    let token = token(seed);
    Grant {
        label: "grafana".to_owned(),
        scopes: [Scope::Query].into_iter().collect(),
        tenants: TenantScope::One("acme".to_owned()),
        expires_at_us,
        hash: key().hash(&token),
        key: key().name(),
        last4: token.last4().to_owned(),
        replaces: None,
    }
}

fn event(at_us: i64, seed: u8, what: TokenHappening) -> TokenEvent {
    TokenEvent { at_us, token: token(seed).id(), by: "ada".to_owned(), what }
}

fn created(at_us: i64, seed: u8, expires_at_us: Option<i64>) -> TokenEvent {
    event(at_us, seed, TokenHappening::Created(grant(seed, expires_at_us)))
}

fn verify(tokens: &Tokens, seed: u8, now_us: i64) -> Result<Caller, TokenRefusal> {
    tokens.verify(&token(seed), &key(), now_us)
}

#[test]
fn a_token_gives_what_was_granted_and_nothing_more() {
    let tokens = Tokens::fold([created(10, 1, None)]);
    let caller = verify(&tokens, 1, 20).unwrap();
    assert_eq!(caller.name, token(1).id().as_str());
    assert_eq!((caller.proof, caller.tenants), (Proof::Token, TenantScope::One("acme".to_owned())));
    assert_eq!(caller.scopes.iter().collect::<Vec<_>>(), [Scope::Query]);
}

#[test]
fn an_unknown_id_and_a_wrong_secret_are_refused_alike() {
    let tokens = Tokens::fold([created(10, 1, None)]);
    assert_eq!(verify(&tokens, 2, 20), Err(TokenRefusal::Unknown));
    let mut other = grant(1, None);
    other.hash = key().hash(&token(2));
    let tokens = Tokens::fold([event(10, 1, TokenHappening::Created(other))]);
    assert_eq!(verify(&tokens, 1, 20), Err(TokenRefusal::Unknown));
}

#[test]
fn a_token_of_another_pepper_is_named_so() {
    let tokens = Tokens::fold([created(10, 1, None)]);
    let other = TokenKey::new(&Pepper::new(b"fedcba9876543210").unwrap());
    assert_eq!(tokens.verify(&token(1), &other, 20), Err(TokenRefusal::OtherPepper));
}

#[test]
fn a_token_ends_with_its_expiry_and_at_once_when_revoked() {
    let tokens = Tokens::fold([created(10, 1, Some(100))]);
    assert!(verify(&tokens, 1, 99).is_ok());
    assert_eq!(verify(&tokens, 1, 100), Err(TokenRefusal::Ended(Standing::Expired { at_us: 100 })));
    // The clock of the machine that revoked it is ahead of ours.
    let tokens = Tokens::fold([event(50, 1, TokenHappening::Revoked), created(10, 1, None)]);
    assert_eq!(verify(&tokens, 1, 20), Err(TokenRefusal::Ended(Standing::Revoked { at_us: 50 })));
}

#[test]
fn a_rotated_token_works_beside_its_successor_until_the_overlap_ends() {
    let successor = token(2).id();
    let mut second = grant(2, None);
    second.replaces = Some(token(1).id());
    let tokens = Tokens::fold([
        created(10, 1, Some(1_000)),
        event(20, 2, TokenHappening::Created(second)),
        event(20, 1, TokenHappening::Rotated { successor, until_us: 50 }),
    ]);
    assert!(verify(&tokens, 1, 49).is_ok() && verify(&tokens, 2, 49).is_ok());
    assert_eq!(tokens.ends_at_us(token(1).id()), Some(50));
    let ended = Standing::Replaced { at_us: 50, by: successor };
    assert_eq!(verify(&tokens, 1, 50), Err(TokenRefusal::Ended(ended)));
    assert!(verify(&tokens, 2, 50).is_ok());
}

#[test]
fn a_use_is_noted_once_an_hour() {
    let (id, hour) = (token(1).id(), USE_NOTED_EVERY_US);
    let mut tokens = Tokens::fold([created(10, 1, None)]);
    assert!(is_use_worth_noting(tokens.used_at_us(id), 20));
    tokens.apply(event(20, 1, TokenHappening::Used));
    assert_eq!(tokens.used_at_us(id), Some(20));
    assert!(!is_use_worth_noting(Some(20), 19 + hour) && is_use_worth_noting(Some(20), 20 + hour));
}

fn any_event() -> impl Strategy<Value = TokenEvent> {
    let what = (0..4u8, 0..6u8, 0..200i64, any::<bool>());
    (0..200i64, 0..6u8, what).prop_map(|(at_us, seed, (kind, other, until_us, narrow))| {
        let what = match kind {
            0 => {
                let mut grant = grant(seed, narrow.then_some(until_us));
                grant.scopes = if narrow { Scopes::NONE } else { Scopes::all() };
                TokenHappening::Created(grant)
            }
            1 => TokenHappening::Rotated { successor: token(other).id(), until_us },
            2 => TokenHappening::Revoked,
            _ => TokenHappening::Used,
        };
        event(at_us, seed, what)
    })
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_of_events_matters(
        events in prop::collection::vec(any_event(), 0..40),
        shuffled in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        let told = Tokens::fold(events.clone());
        let mut others = events.clone();
        others.reverse();
        if !events.is_empty() {
            others.rotate_left(shuffled.index(events.len()));
            others.extend_from_slice(&events[again.index(events.len())..]);
        }
        prop_assert_eq!(Tokens::fold(others), told);
    }

    #[test]
    fn an_event_more_never_revives_an_ended_token(
        events in prop::collection::vec(any_event(), 1..40),
        more in any_event(),
        now_us in 0..200i64,
    ) {
        let mut tokens = Tokens::fold(events.into_iter().filter(|event| event.at_us <= now_us));
        let id = more.token;
        let before = tokens.standing(id, now_us);
        // A second birth of the same id is a writer that lies; all else only narrows.
        prop_assume!(!matches!(more.what, TokenHappening::Created(_)));
        tokens.apply(more);
        if before.is_some_and(|standing| standing != Standing::Live) {
            prop_assert_ne!(tokens.standing(id, now_us), Some(Standing::Live));
        }
    }
}
