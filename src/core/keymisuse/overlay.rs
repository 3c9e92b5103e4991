//! What happens to ordinary requests for a while: they fail, or grow.

use super::catalog::RouteId;
use super::draw::{Draw, whole};
use super::request::{Cause, Gateway, Outcome, Request, Target};
use super::traffic::narrow;

/// Which requests: those that agree in everything that is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    pub key: Option<usize>,
    pub tenant: Option<usize>,
    pub gateway: Option<Gateway>,
    pub route: Option<RouteId>,
    pub agent: Option<&'static str>,
}

impl Scope {
    fn holds(&self, request: &Request) -> bool {
        let route = match request.target {
            Target::Route(route, _) => Some(route),
            Target::Scan(_) | Target::Page(_) => None,
        };
        self.key.is_none_or(|key| request.sent.key() == Some(key))
            && self.tenant.is_none_or(|tenant| request.tenant == tenant && request.sent.key().is_some())
            && self.gateway.is_none_or(|gateway| request.gateway == gateway)
            && (self.route.is_none() || self.route == route)
            && self.agent.is_none_or(|agent| request.agent == agent)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    /// A share of them ends so; each is tried again up to so many times.
    Fail { share: f64, outcome: Outcome, retries: u32 },
    /// AI calls take so many times the tokens.
    Tokens { input: f64, output: f64 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Overlay {
    pub from: i64,
    pub to: i64,
    pub scope: Scope,
    pub effect: Effect,
    /// The attack, where it is one.
    pub cause: Cause,
}

impl Overlay {
    /// Changes the request if it is concerned; how often its sender tries again.
    pub(crate) fn apply(&self, request: &mut Request, draw: &mut Draw) -> u32 {
        let concerned = request.at >= self.from
            && request.at < self.to
            && request.cause.is_none()
            && matches!(request.outcome, Outcome::Answered(status) if status < 300)
            && self.scope.holds(request);
        if !concerned {
            return 0;
        }
        match self.effect {
            Effect::Fail { share, outcome, retries } => {
                if !draw.chance(share) {
                    return 0;
                }
                match outcome {
                    Outcome::Answered(status) => request.answered(status, draw),
                    Outcome::Refused(refusal) => request.refused(refusal, draw),
                }
                request.cause = self.cause;
                retries
            }
            Effect::Tokens { input, output } => {
                let Some(call) = &mut request.ai else { return 0 };
                let grown = |tokens: u32, factor: f64| narrow(whole(f64::from(tokens) * factor));
                call.input_tokens = grown(call.input_tokens, input);
                call.output_tokens = grown(call.output_tokens, output);
                request.request_bytes = 400 + call.input_tokens * 4;
                request.cause = self.cause;
                0
            }
        }
    }
}
