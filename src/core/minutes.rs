//! Events to entity-minute partials: the table that detectors and dashboards work from.
