//! One connection: its caller, its view of the catalog, and its statements.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion_postgres::arrow_pg::datatypes::arrow_schema_to_pg_fields;
use datafusion_postgres::pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use datafusion_postgres::pgwire::api::portal::{Format, Portal};
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::results::{FieldInfo, QueryResponse, Response};
use datafusion_postgres::pgwire::api::stmt::QueryParser;
use datafusion_postgres::pgwire::api::store::PortalStore;
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore, PgWireServerHandlers, Type};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use futures::Sink;
use tokio::time::Instant;

use super::answer::{self, in_time};
use super::fixed::{self, Fixed};
use super::refusal::Refusal;
use super::written::{Asker, Written};
use super::{House, parameters, refusal};
use crate::query::{Described, Question, Trust, View};

/// What the protocol's library asks of a connection.
pub(super) struct Connection {
    session: Arc<Session>,
    cancel: Arc<DefaultCancelHandler>,
}

/// The state of one connection.
pub(super) struct Session {
    house: Arc<House>,
    guest: OnceLock<Guest>,
    /// As the client set it.
    timeout: Mutex<Option<Duration>>,
}

/// Who is connected, and what it sees of the catalog: the same for as long as it stays, since clients ask for the
/// numbers of tables in one query and use them in the next.
struct Guest {
    asker: Asker,
    view: View,
}

/// A statement as it was sent.
enum Said {
    Fixed(Fixed),
    Query(String),
}

impl Connection {
    pub(super) fn new(house: Arc<House>) -> Self {
        let cancel = Arc::new(DefaultCancelHandler::new(Arc::clone(&house.cancels)));
        Self { session: Arc::new(Session { house, guest: OnceLock::new(), timeout: Mutex::new(None) }), cancel }
    }
}

impl PgWireServerHandlers for Connection {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::clone(&self.session)
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::new(Extended(Arc::clone(&self.session)))
    }

    fn startup_handler(&self) -> Arc<impl datafusion_postgres::pgwire::api::auth::StartupHandler> {
        Arc::clone(&self.session)
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::clone(&self.cancel)
    }
}

/// A statement, ready to be asked.
#[derive(Clone)]
pub(super) enum Prepared {
    Fixed(Fixed),
    Query { sql: String, described: Arc<Described>, types: Vec<Option<DataType>> },
}

impl Session {
    pub(super) fn house(&self) -> &House {
        &self.house
    }

    pub(super) fn admit(&self, asker: Asker) -> PgWireResult<()> {
        let view = self.house.queries.view(&asker.guest.caller.tenants).map_err(|error| refusal::of_query(&error))?;
        self.guest.set(Guest { asker, view }).map_err(|_| refusal::fatal("08P01", "already connected"))
    }

    fn guest(&self) -> PgWireResult<&Guest> {
        self.guest.get().ok_or_else(|| refusal::fatal("28000", "not connected yet"))
    }

    fn written(&self, guest: &Guest, sql: &str) -> Written {
        Written::begin(&self.house.door, &guest.asker, sql)
    }

    /// The statements of a text, rewritten into the engine's words, and those of the fixed list with their answers.
    fn statements(&self, text: &str) -> PgWireResult<Vec<Said>> {
        let guest = self.guest()?;
        self.understood(text).map_err(|refused| self.written(guest, text).refused(refused).into())
    }

    fn understood(&self, text: &str) -> Result<Vec<Said>, Refusal> {
        crate::query::check_text(text).map_err(Refusal::Query)?;
        let parsed = self.house.parser.parse(text).map_err(|error| refusal::error("42601", &error.to_string()))?;
        let said = parsed.into_iter().map(|statement| {
            Ok(match fixed::recognized(&statement)? {
                Some(fixed) => Said::Fixed(fixed),
                None => Said::Query(statement.to_string()),
            })
        });
        said.collect()
    }

    fn answered(&self, fixed: &Fixed) -> PgWireResult<Response> {
        if let Fixed::Timeout(timeout) = fixed {
            *self.timeout.lock().unwrap_or_else(PoisonError::into_inner) = *timeout;
        }
        fixed.response()
    }

    /// Plans a statement whose values come later. On record only if it is refused: asking it is a record of its own.
    async fn describe(&self, sql: &str) -> PgWireResult<Described> {
        let guest = self.guest()?;
        let question =
            Question { sql, parameters: &[], tenants: &guest.asker.guest.caller.tenants, trust: Trust::Adhoc };
        let described = async {
            self.house.door.admit(&guest.asker.guest).await.map_err(Refusal::Turned)?;
            self.house.queries.describe(question, &guest.view).await.map_err(Refusal::Query)
        };
        described.await.map_err(|refused| self.written(guest, sql).refused(refused).into())
    }

    async fn ask(&self, sql: &str, parameters: &[(String, ScalarValue)], format: &Format) -> PgWireResult<Response> {
        let guest = self.guest()?;
        let mut written = self.written(guest, sql);
        let timeout = *self.timeout.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let question = Question { sql, parameters, tenants: &guest.asker.guest.caller.tenants, trust: Trust::Adhoc };
        let answer = async {
            self.house.door.admit(&guest.asker.guest).await.map_err(Refusal::Turned)?;
            in_time(deadline, self.house.queries.run_with(question, &guest.view)).await?.map_err(Refusal::Query)
        };
        let answer = answer.await.map_err(|refused| written.refused(refused))?;
        let fields = arrow_schema_to_pg_fields(&answer.schema, format, None);
        let fields = Arc::new(fields.map_err(|error| written.refused(error.into()))?);
        let rows = answer::rows(answer, Arc::clone(&fields), deadline, written);
        Ok(Response::Query(QueryResponse::new(fields, rows)))
    }
}

#[async_trait]
impl SimpleQueryHandler for Session {
    async fn do_query<C>(&self, _client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut responses = Vec::new();
        let mut questions = 0;
        for said in self.statements(query)? {
            responses.push(match said {
                Said::Fixed(fixed) => self.answered(&fixed)?,
                Said::Query(sql) => {
                    // Answers are read after the last one has begun: several would wait for each other's places.
                    questions += 1;
                    if questions > 1 {
                        return Err(refusal::error("0A000", "one query at a time, please"));
                    }
                    self.ask(&sql, &[], &Format::UnifiedText).await?
                }
            });
        }
        if responses.is_empty() {
            responses.push(Response::EmptyQuery);
        }
        Ok(responses)
    }
}

/// Statements that are prepared first: parsed once, described, bound, and then executed.
#[derive(Clone)]
pub(super) struct Extended(Arc<Session>);

#[async_trait]
impl QueryParser for Extended {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, _client: &C, sql: &str, _types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = self.0.statements(sql)?.into_iter();
        let Some(said) = statements.next() else { return Ok(None) };
        if statements.next().is_some() {
            return Err(refusal::error("42601", "a prepared statement is one statement"));
        }
        Ok(Some(match said {
            Said::Fixed(fixed) => Prepared::Fixed(fixed),
            Said::Query(sql) => {
                let described = self.0.describe(&sql).await?;
                let types = parameters::types(described.plan())?;
                Prepared::Query { sql, described: Arc::new(described), types }
            }
        }))
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        match statement {
            Prepared::Fixed(_) => Ok(Vec::new()),
            Prepared::Query { types, .. } => parameters::wire_types(types),
        }
    }

    fn get_result_schema(&self, statement: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        match statement {
            Prepared::Fixed(fixed) => Ok(fixed.fields()),
            Prepared::Query { described, .. } => arrow_schema_to_pg_fields(
                described.plan().schema().as_arrow(),
                format.unwrap_or(&Format::UnifiedText),
                None,
            ),
        }
    }
}

#[async_trait]
impl ExtendedQueryHandler for Extended {
    type Statement = Prepared;
    type QueryParser = Self;

    fn query_parser(&self) -> Arc<Self> {
        Arc::new(self.clone())
    }

    async fn do_query<C>(&self, _client: &mut C, portal: &Portal<Prepared>, _max_rows: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match &portal.statement.statement {
            Prepared::Fixed(fixed) => self.0.answered(fixed),
            Prepared::Query { sql, types, .. } => {
                let values = parameters::values(portal, types)?;
                self.0.ask(sql, &values, &portal.result_column_format).await
            }
        }
    }
}
