//! What requests bring, read so that every mistake is answered with problem details.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::limits::BODY_BYTES_MAX;
use super::problem::{Kind, Problem};

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Json::from_request(request, state)
            .await
            .map(|Json(value)| Self(value))
            .map_err(|rejection| wrong_body(&rejection))
    }
}

fn wrong_body(rejection: &JsonRejection) -> Problem {
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            Kind::UnsupportedMediaType,
            "the body is not said to be JSON",
            "send the header `Content-Type: application/json`",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            Kind::BodyTooLarge,
            format!("the body has more than {BODY_BYTES_MAX} bytes"),
            "ask for less at once",
        ),
        _ => Problem::new(Kind::BadRequest, rejection.body_text(), "`/v1/openapi.json` says what the body holds"),
    }
}

/// Parameters after the `?`.
#[derive(Clone, Copy, Debug)]
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(head, state).await;
        query.map(|Query(value)| Self(value)).map_err(|rejection| {
            Problem::new(Kind::BadRequest, rejection.body_text(), "`/v1/openapi.json` lists the parameters")
        })
    }
}

/// Parts of the path.
#[derive(Clone, Copy, Debug)]
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<T>, PathRejection> = Path::from_request_parts(head, state).await;
        path.map(|Path(value)| Self(value))
            .map_err(|rejection| Problem::not_found(rejection.body_text(), "check how the path is written"))
    }
}
