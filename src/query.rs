//! The sandbox: SQL over the lake for whoever may ask, without harm to anybody else.
//!
//! Promises: it only reads; a tenant learns nothing of rows that are not its own, be it by results, counts, plans or
//! errors (`barrier.rs`); what a question costs is bounded in time, memory, rows, bytes and number (`limits.rs`,
//! `admission.rs`, `guard.rs`, `flow.rs`), and its work ends when its reader goes.
//!
//! ```text
//! text ─► text.rs ─► planner ─► plan.rs ──► growth.rs ─► optimizer ─► sealed.rs ───► flow.rs ─► rows
//!         size,       names       nodes,      size of       (engine)    every scan     deadline,
//!         nesting     (catalog)   functions   its values                in a barrier   cuts
//! ```
//!
//! It runs on threads of its own: the engine's work keeps neither HTTP nor ingestion waiting. What it cannot do is stop
//! a function in the middle of a batch, hence the list of functions and the bounds on what they are given.

mod account;
mod admission;
mod barrier;
mod catalog;
mod error;
mod flow;
mod functions;
mod growth;
mod guard;
mod hint;
mod limits;
mod plan;
mod rebuild;
mod safe;
mod sealed;
mod session;
pub(crate) mod signals;
mod tables;
mod text;
mod view;

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use arrow::datatypes::SchemaRef;
use claviger_core::access::TenantScope;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::visit_relations;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use tokio::runtime::Runtime;
use tokio::time::Instant;

pub use account::Account;
pub use error::QueryError;
pub use flow::Cost;
pub use limits::Limits;
pub use tables::visible;
pub(crate) use text::check as check_text;
pub(crate) use view::{Described, View, setting};

use crate::lake::Lake;
use admission::{Lane, Ticket};
use catalog::Named;
use flow::Work;
use guard::Guard;
use plan::Rules;
use session::Templates;
use tables::Tables;

/// Names of tables in one text: each time it names the one before twice, a plan doubles.
const RELATIONS_MAX: usize = 20;
/// Plans are trees, and trees are walked by recursion.
const STACK_BYTES: usize = 16 << 20;

/// Who wrote the SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Somebody: only what is on the lists.
    Adhoc,
    /// We did, or the operator at the machine itself: any function, any size. Still read-only, still one tenant's rows.
    Own,
}

/// One SELECT.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    pub sql: &'a str,
    /// Values of `$name` and `$1`, bound as they are and never pasted.
    pub parameters: &'a [(String, ScalarValue)],
    pub tenants: &'a TenantScope,
    pub trust: Trust,
}

/// Rows, as they come. Dropping them ends the work.
pub struct Answer {
    pub schema: SchemaRef,
    /// Its errors are [`QueryError`]s: [`QueryError::of_rows`] takes them out.
    pub rows: SendableRecordBatchStream,
    pub cost: Arc<Cost>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("schema", &self.schema).field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// Answers questions over one lake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queries(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    tables: Arc<Tables>,
    templates: Templates,
    adhoc: Arc<Lane>,
    own: Arc<Lane>,
    guard: Arc<Guard>,
    threads: Threads,
}

/// The room's own runtime, which may be let go of anywhere.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Queries {
    /// # Errors
    /// When its threads cannot be started.
    pub fn new(lake: Lake, limits: Limits) -> Result<Self, QueryError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits.threads.max(1))
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|source| QueryError::NoThreads { source })?;
        Ok(Self(Arc::new(Shared {
            limits,
            tables: Arc::new(Tables::new(lake)),
            templates: Templates::new(&limits),
            adhoc: Lane::new(limits),
            own: Lane::new(limits),
            guard: Guard::start(limits.process_bytes)?,
            threads: Threads(Some(runtime)),
        })))
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Plans, checks and starts one SELECT.
    ///
    /// Boxed: a future that is not makes each crate that awaits it compile the SQL planner again.
    ///
    /// # Errors
    /// When it is refused, not understood, or there is no room for it.
    pub fn run<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Answer, QueryError>> {
        self.ask(question, None, Shared::start).inspect_ok(|answer| Account::note(&answer.cost)).boxed()
    }

    /// As [`Queries::run`], for a client that sees a database's own catalog as well.
    pub(crate) fn run_with<'a>(
        &'a self,
        question: Question<'a>,
        view: &View,
    ) -> BoxFuture<'a, Result<Answer, QueryError>> {
        self.ask(question, Some(view.clone()), Shared::start).inspect_ok(|answer| Account::note(&answer.cost)).boxed()
    }

    /// Plans and checks a statement whose parameters have no values yet.
    pub(crate) fn describe<'a>(
        &'a self,
        question: Question<'a>,
        view: &View,
    ) -> BoxFuture<'a, Result<Described, QueryError>> {
        self.ask(question, Some(view.clone()), Shared::describe).boxed()
    }

    /// A database's own catalog, over what a caller may see.
    pub(crate) fn view(&self, scope: &TenantScope) -> Result<View, QueryError> {
        let shared = &self.0;
        let view = shared.templates.furniture().and_then(|furniture| furniture.view(&shared.tables, scope));
        view.map_err(|error| QueryError::failed(&error))
    }

    /// Lets a question in, and has its planning done on the room's own threads.
    async fn ask<T, F>(
        &self,
        question: Question<'_>,
        view: Option<View>,
        work: impl FnOnce(Arc<Shared>, Asked, Ticket, Instant) -> F,
    ) -> Result<T, QueryError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let shared = &self.0;
        if question.trust == Trust::Adhoc {
            text::check(question.sql)?;
        }
        shared.guard.admit()?;
        let lane = match question.trust {
            Trust::Adhoc => &shared.adhoc,
            Trust::Own => &shared.own,
        };
        let ticket = lane.enter(question.tenants).await?;
        let deadline = Instant::now() + shared.limits.time;
        let work = work(Arc::clone(shared), Asked::of(&question, view), ticket, deadline);
        let runtime = shared.threads.0.as_ref().expect("taken when the room is dropped only");
        match tokio::time::timeout_at(deadline, AbortOnDrop(runtime.spawn(work))).await {
            Ok(Ok(done)) => done,
            Ok(Err(lost)) => Err(QueryError::failed(&DataFusionError::ExecutionJoin(Box::new(lost)))),
            Err(_) => Err(QueryError::TooSlow { limit: shared.limits.time }),
        }
    }
}

/// A question of its own, for another thread.
struct Asked {
    sql: String,
    parameters: ParamValues,
    tenants: TenantScope,
    trust: Trust,
    view: Option<View>,
}

impl Asked {
    fn of(question: &Question<'_>, view: Option<View>) -> Self {
        let value = |(name, value): &(String, ScalarValue)| (name.clone(), ScalarAndMetadata::from(value.clone()));
        Self {
            sql: question.sql.to_owned(),
            parameters: ParamValues::Map(question.parameters.iter().map(value).collect()),
            tenants: question.tenants.clone(),
            trust: question.trust,
            view,
        }
    }
}

impl Asked {
    /// Names that may be hinted at.
    fn words(&self) -> Vec<String> {
        tables::visible(&self.tenants).map(|table| table.name().to_owned()).collect()
    }

    fn not_understood(&self, error: DataFusionError) -> QueryError {
        QueryError::of_plan(error, &self.words())
    }
}

/// A plan that passed every check, in the session it was made in.
struct Planned {
    plan: LogicalPlan,
    session: SessionContext,
    state: SessionState,
    pool: Arc<dyn MemoryPool>,
    named: Named,
}

impl Shared {
    async fn planned(&self, asked: Asked, is_described: bool) -> Result<Planned, QueryError> {
        let not_understood = |error| asked.not_understood(error);
        let view = asked.view.as_ref();
        let named = Named::default();
        let catalogs = catalog::for_caller(&self.tables, &asked.tenants, &named, view).map_err(not_understood)?;
        let (session, pool) =
            self.templates.session(asked.trust, view, &self.limits, catalogs).map_err(not_understood)?;
        let state = session.state();

        let dialect = state.config_options().sql_parser.dialect;
        let statement = state.sql_to_statement(&asked.sql, &dialect).map_err(not_understood)?;
        if asked.trust == Trust::Adhoc {
            text::at_most("names of tables", relations(&statement), RELATIONS_MAX)?;
        }
        let mut plan = Box::pin(state.statement_to_plan(statement)).await.map_err(not_understood)?;
        if matches!(plan, LogicalPlan::Statement(_)) {
            // Before its values are bound: a PREPARE would become the query that it prepares.
            return Err(QueryError::Forbidden { what: "a statement other than SELECT".to_owned() });
        }
        if !is_described {
            plan = plan.with_param_values(asked.parameters.clone()).map_err(not_understood)?;
        }
        let extra = self.templates.extra_functions(view);
        plan::check(&plan, Rules { trust: asked.trust, extra, is_described })?;
        if asked.trust == Trust::Adhoc {
            growth::check(&plan)?;
        }
        Ok(Planned { plan, session, state, pool, named })
    }

    async fn describe(self: Arc<Self>, asked: Asked, ticket: Ticket, _: Instant) -> Result<Described, QueryError> {
        let planned = Box::pin(self.planned(asked, true)).await?;
        drop(ticket);
        Ok(Described(planned.plan))
    }

    async fn start(self: Arc<Self>, asked: Asked, ticket: Ticket, deadline: Instant) -> Result<Answer, QueryError> {
        let began = Instant::now();
        let (tenants, words) = (asked.tenants.clone(), asked.words());
        let not_understood = |error| QueryError::of_plan(error, &words);
        let Planned { plan, session, state, pool, named } = Box::pin(self.planned(asked, false)).await?;
        let running = self.guard.watch_over(pool);
        let plan = self.bounded(plan).map_err(not_understood)?;
        let plan = Box::pin(state.create_physical_plan(&plan)).await.map_err(not_understood)?;
        sealed::check(&plan, &tenants)?;

        let rows = execute_stream(Arc::clone(&plan), session.task_ctx()).map_err(not_understood)?;
        let tables = std::mem::take(&mut *named.lock().unwrap_or_else(PoisonError::into_inner));
        let cost = Arc::new(Cost::new(began, tables));
        let work = Work { plan, rows, running, ticket, cost: Arc::clone(&cost), limits: self.limits, deadline };
        let rows = work.start();
        Ok(Answer { schema: rows.schema(), rows, cost })
    }

    /// The plan with a limit just beyond what will be handed out: a sort then keeps that many rows instead of all.
    fn bounded(&self, plan: LogicalPlan) -> datafusion::error::Result<LogicalPlan> {
        let rows = usize::try_from(self.limits.rows).unwrap_or(usize::MAX).saturating_add(1);
        match plan {
            LogicalPlan::Explain(_) | LogicalPlan::DescribeTable(_) => Ok(plan),
            plan if rows == usize::MAX => Ok(plan),
            plan => LogicalPlanBuilder::from(plan).limit(0, Some(rows))?.build(),
        }
    }
}

fn relations(statement: &Statement) -> usize {
    let mut found = 0;
    if let Statement::Statement(statement) = statement {
        let counted: ControlFlow<()> = visit_relations(statement.as_ref(), |_| {
            found += 1;
            ControlFlow::Continue(())
        });
        debug_assert!(counted.is_continue());
    }
    found
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
