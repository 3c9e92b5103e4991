//! Our own event JSON, for gateways that can be taught a format and for tests: one flat object whose keys are
//! the columns of the event table. A credential comes as `credential` (raw, hashed here) with an optional
//! `credential_place`, or already hashed as `fingerprint`.

use super::dialect::Dialect;
use super::fields::Slot;
use crate::time::Unit;

pub(crate) const DIALECT: Dialect = Dialect {
    recognises: |keys| keys.contains(&"event_at") && keys.contains(&"status"),
    wants: &[
        ("event_at", Slot::EventAtAny),
        ("gateway", Slot::Gateway),
        ("request_id", Slot::RequestId),
        ("trace_id", Slot::TraceId),
        ("method", Slot::Method),
        ("host", Slot::Host),
        ("path", Slot::Uri),
        ("uri", Slot::Uri),
        ("route", Slot::Route),
        ("service", Slot::Service),
        ("status", Slot::Status),
        ("upstream_status", Slot::UpstreamStatus),
        ("latency_us", Slot::Latency(Unit::Micros)),
        ("upstream_latency_us", Slot::UpstreamLatency(Unit::Micros)),
        ("gateway_latency_us", Slot::GatewayLatency(Unit::Micros)),
        ("request_bytes", Slot::RequestBytes),
        ("response_bytes", Slot::ResponseBytes),
        ("client_address", Slot::ClientAddress),
        ("user_agent", Slot::UserAgent),
        ("region", Slot::Region),
        ("credential", Slot::Credential(0)),
        ("credential_place", Slot::CredentialPlace),
        ("fingerprint", Slot::Fingerprint),
        ("consumer", Slot::Consumer),
        ("anonymous", Slot::Anonymous),
        ("gateway_code", Slot::GatewayCode),
        ("gateway_message", Slot::GatewayMessage),
        ("ai_provider", Slot::AiProvider),
        ("ai_model", Slot::AiModel),
        ("input_tokens", Slot::InputTokens),
        ("output_tokens", Slot::OutputTokens),
        ("cost_micros", Slot::CostMicros),
        ("tenant_asked", Slot::TenantAsked),
    ],
    request_headers: &["headers"],
    finish: |_| {},
};
