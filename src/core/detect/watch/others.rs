//! Everything that is watched about one source, route or gateway.

use super::super::baseline::Baseline;
use super::super::told::HOUR_US;
use super::super::{
    Context, Finding, Minute, anonymous_fallback, credential_stuffing, feed_silence, key_guessing, path_scanning,
};
use super::Surroundings;
use crate::minutes::Sum;

/// Sources come by the million and most never fail: states are made when something fails.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceWatch {
    guessing: Option<Box<key_guessing::State>>,
    stuffing: Option<Box<credential_stuffing::State>>,
    scanning: Option<Box<path_scanning::State>>,
}

impl SourceWatch {
    pub(super) fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        if self.guessing.is_some() || key_guessing::State::concerns(minute) {
            self.guessing.get_or_insert_default().observe(minute, context, found);
        }
        if self.stuffing.is_some() || credential_stuffing::State::concerns(minute) {
            self.stuffing.get_or_insert_default().observe(minute, context, found);
        }
        if self.scanning.is_some() || path_scanning::State::concerns(minute) {
            self.scanning.get_or_insert_default().observe(minute, context, found);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.guessing.as_ref().map_or(0, |guessing| size_of::<key_guessing::State>() + guessing.bytes())
            + self.stuffing.as_ref().map_or(0, |stuffing| size_of::<credential_stuffing::State>() + stuffing.bytes())
            + self.scanning.as_ref().map_or(0, |_| size_of::<path_scanning::State>())
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct RouteWatch {
    anonymous: anonymous_fallback::State,
    stuffing: Option<Box<credential_stuffing::State>>,
}

impl RouteWatch {
    pub(super) fn observe(&mut self, minute: &Minute, context: &Context<'_>, found: &mut Vec<Finding>) {
        self.anonymous.observe(minute, found);
        if self.stuffing.is_some() || credential_stuffing::State::concerns(minute) {
            self.stuffing.get_or_insert_default().observe(minute, context, found);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let stuffing = self.stuffing.as_ref();
        size_of::<Self>() + stuffing.map_or(0, |stuffing| size_of::<credential_stuffing::State>() + stuffing.bytes())
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct GatewayWatch {
    pub(super) traffic: Baseline,
    pub(super) silence: feed_silence::State,
    pub(super) guessing: key_guessing::State,
}

impl GatewayWatch {
    pub(super) fn observe(&mut self, minute: &Minute, surroundings: &mut Surroundings, found: &mut Vec<Finding>) {
        self.traffic.add(minute.minute_us, minute.total[Sum::Requests]);
        let context = surroundings.context();
        self.guessing.observe(minute, &context, found);
        if self.guessing.is_guessed(minute.minute_us, &context) {
            surroundings.population.guessed_until_us = minute.to_us() + HOUR_US;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.guessing.bytes()
    }
}
