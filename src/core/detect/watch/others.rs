//! Everything that is watched about one source, route or gateway.

use super::super::baseline::Baseline;
use super::super::{
    Context, Finding, Minute, anonymous_fallback, credential_stuffing, feed_silence, key_guessing, path_scanning,
};
use super::Surroundings;
use crate::minutes::Sum;

#[derive(Clone, Debug, Default)]
pub(super) struct SourceWatch {
    guessing: key_guessing::State,
    stuffing: credential_stuffing::State,
    scanning: path_scanning::State,
}

impl SourceWatch {
    pub(super) fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        self.guessing.observe(minute, context, found);
        self.stuffing.observe(minute, context, found);
        self.scanning.observe(minute, context, found);
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.guessing.bytes() + self.stuffing.bytes()
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct RouteWatch {
    anonymous: anonymous_fallback::State,
    stuffing: credential_stuffing::State,
}

impl RouteWatch {
    pub(super) fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        self.anonymous.observe(minute, found);
        self.stuffing.observe(minute, context, found);
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.stuffing.bytes()
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct GatewayWatch {
    pub(super) traffic: Baseline,
    pub(super) silence: feed_silence::State,
    guessing: key_guessing::State,
}

impl GatewayWatch {
    pub(super) fn observe(&mut self, minute: &Minute, surroundings: &Surroundings, found: &mut Vec<Finding>) {
        self.traffic.add(minute.minute_us, minute.total[Sum::Requests]);
        self.guessing.observe(minute, &surroundings.context(), found);
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.guessing.bytes()
    }
}
