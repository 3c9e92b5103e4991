//! Rights by types. The rooms behind the API are reached through [`Authorized`] alone, which names the right that an
//! endpoint needs: one that names none has nothing to read from, and does not compile into anything useful.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use claviger_core::access::{Caller, Scope};

use super::api::Api;
use super::audited::Told;
use super::problem::Problem;

/// A [`Scope`] as a type, so that a signature can name it.
pub trait Right: Send + Sync + 'static {
    const SCOPE: Scope;
}

/// The rights that endpoints name: one type a [`Scope`].
pub mod right {
    use super::{Right, Scope};

    macro_rules! rights {
        ($($right:ident),*) => {
            $(
                #[derive(Clone, Copy, Debug)]
                pub struct $right;

                impl Right for $right {
                    const SCOPE: Scope = Scope::$right;
                }
            )*
        };
    }

    rights! { Query, Report, Diagnose, IncidentsWrite, Export, Admin }
}

/// The state of the router: the rooms, out of reach of whoever has not named a right.
#[derive(Clone)]
pub struct Sealed(Api);

impl Sealed {
    #[must_use]
    pub const fn new(api: Api) -> Self {
        Self(api)
    }
}

/// A caller who has the right `R`, and the rooms that it may ask.
///
/// Whatever reads rows is given `caller.tenants`.
#[derive(Clone)]
pub struct Authorized<R> {
    pub caller: Caller,
    pub api: Api,
    /// The record of this access.
    pub told: Told,
    right: PhantomData<R>,
}

impl<R: Right> FromRequestParts<Sealed> for Authorized<R> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, sealed: &Sealed) -> Result<Self, Problem> {
        let caller = head.extensions.get::<Caller>().ok_or_else(Problem::unauthenticated)?;
        if !caller.scopes.holds(R::SCOPE) {
            return Err(Problem::lacks(R::SCOPE));
        }
        let told = head.extensions.get::<Told>().cloned().unwrap_or_default();
        Ok(Self { caller: caller.clone(), api: sealed.0.clone(), told, right: PhantomData })
    }
}
