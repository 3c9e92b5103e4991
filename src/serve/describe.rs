//! What the OpenAPI document says beyond its endpoints: who made it, how to prove who one is, and how every error looks.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::problem;

const BEARER: &str = "bearer";

pub(super) fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Claviger")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Tells why API keys fail and which keys are being misused."))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// Adds to every operation what all share: the scheme of authentication, and problem details as any error.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_with(Components::new);
    components
        .add_security_scheme(BEARER, SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
    components.schemas.insert(problem::Body::name().into_owned(), problem::Body::schema());
    document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, [])]);
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), RefOr::T(any_problem()));
        }
    }
    document
}

fn any_problem() -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name(problem::Body::name()));
    ResponseBuilder::new()
        .description("Problem details (RFC 9457)")
        .content(problem::MEDIA_TYPE, Content::new(Some(schema)))
        .build()
}
