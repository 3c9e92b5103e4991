//! The beginning of a connection: who comes, and by what proof.
//!
//! The password travels as it is (the lake's side keeps only a keyed hash of it, which no challenge can be made of), so
//! where TLS is configured, a connection without it is not even asked. Whoever comes, and whoever is turned away, is on record;
//! the name that a client gives is not, since people put their token there.

use async_trait::async_trait;
use claviger_core::access::Scope;
use claviger_core::audit::{Access, Action, Outcome};
use datafusion_postgres::pgwire::api::auth::{
    DefaultServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use datafusion_postgres::pgwire::api::{
    ClientInfo, ConnectionGuard, ConnectionHandle, METADATA_USER, PgWireConnectionState, PidSecretKeyGenerator as _,
};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::startup::Authentication;
use datafusion_postgres::pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use futures::{Sink, SinkExt as _};
use std::sync::Arc;

use super::connection::Session;
use super::written::Asker;
use super::{Unwelcome, Welcome, refusal};

#[async_trait]
impl StartupHandler for Session {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => {
                if self.house().is_tls_required && !client.is_secure() {
                    return Err(refusal::fatal("28000", "this server wants TLS: connect with sslmode=require"));
                }
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                match self.house().door.anybody() {
                    Some(caller) => self.admitted(client, caller.into()).await,
                    None => {
                        client.set_state(PgWireConnectionState::AuthenticationInProgress);
                        let question = PgWireBackendMessage::Authentication(Authentication::CleartextPassword);
                        Ok(client.send(question).await?)
                    }
                }
            }
            PgWireFrontendMessage::PasswordMessageFamily(answer) => {
                let password = answer.into_password()?.password;
                let user = client.metadata().get(METADATA_USER).cloned().unwrap_or_default();
                let from = client.socket_addr().ip();
                match self.house().door.authenticate(&user, &password, from).await {
                    Ok(guest) => self.admitted(client, guest).await,
                    Err(unwelcome) => {
                        self.house().door.record(Access {
                            address: from.to_canonical().to_string(),
                            outcome: Outcome::Refused,
                            who: String::new(),
                            ..Access::of_log(Action::BeginSession, CONNECTION.to_owned())
                        });
                        Err(refused(unwelcome, user))
                    }
                }
            }
            _ => Ok(()),
        }
    }
}

/// What is on record of somebody who connects.
const CONNECTION: &str = "PostgreSQL connection";

fn refused(unwelcome: Unwelcome, user: String) -> PgWireError {
    match unwelcome {
        Unwelcome::Wrong => PgWireError::InvalidPassword(user),
        Unwelcome::TooOften { wait } => refusal::fatal_with(
            "53300",
            "too many wrong passwords came from this address",
            format!("wait {} s, and use a token that works", wait.as_secs().max(1)),
        ),
        Unwelcome::Unknowable => refusal::fatal_with(
            "57P03",
            "who may come in cannot be told now",
            "try again in a few seconds; `/ready` over HTTP says what the service waits for".to_owned(),
        ),
    }
}

impl Session {
    /// Lets a caller in who may ask, and puts on record whether it may.
    async fn admitted<C>(&self, client: &mut C, guest: Welcome) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let from = client.socket_addr().ip();
        let may_ask = guest.caller.scopes.holds(Scope::Query);
        self.house().door.record(Access {
            address: from.to_canonical().to_string(),
            outcome: if may_ask { Outcome::Done } else { Outcome::Refused },
            ..Access::by(&guest.caller, Action::BeginSession, CONNECTION.to_owned())
        });
        if !may_ask {
            return Err(refusal::fatal("42501", "this token may not ask SQL: it lacks the scope `query`"));
        }
        self.welcome(client, Asker { guest, from }).await
    }

    async fn welcome<C>(&self, client: &mut C, asker: Asker) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: std::fmt::Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.admit(asker)?;
        let house = self.house();
        let (pid, key) = house.keys.generate(client);
        client.set_pid_and_secret_key(pid, key);
        let (pid, key) = client.pid_and_secret_key();
        let (handle, guard) = house.cancels.register(pid, key);
        client.session_extensions().insert::<Arc<ConnectionHandle>>(handle);
        client.session_extensions().insert::<ConnectionGuard>(guard);
        let mut parameters = DefaultServerParameterProvider::default();
        parameters.is_superuser = false;
        parameters.default_transaction_read_only = true;
        finish_authentication(client, &parameters).await
    }
}
