//! `claviger token`: who may ask the API, kept in the lake. A command appends rows; running services read them within
//! seconds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use claviger_core::access::ledger::{Created, Grant, Standing, TokenEvent, TokenHappening, Tokens};
use claviger_core::access::token::{PREFIX, RANDOM_BYTES, Token, TokenId, TokenKey};
use claviger_core::access::{Scope, Scopes, TenantScope};
use claviger_core::config::Millis;
use claviger_core::fault::Blame;
use claviger_core::secret::Pepper;
use claviger_core::time;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde_json::{Value, json};

use super::{Answer, Failure, print, write_to_stderr};
use crate::lake::{Lake, LakeError};

/// Makes, lists, replaces and revokes the tokens that the API and the dashboard ask for
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger token --lake ./lake create --scope query --scope report --tenant acme --label grafana
  claviger token --lake ./lake create --scope admin --all-tenants --expires 30d
  claviger token --lake ./lake list
  claviger token --lake ./lake rotate 7k2m --overlap 24h
  claviger token --lake ./lake revoke 7k2m

A token is printed once and stored nowhere: what is kept is a keyed hash of it. An id may be
shortened to its first letters. Running services notice within five seconds. Use a token as
`Authorization: Bearer clv_...`, as the password of a Postgres client, or to sign in to the
dashboard.

Tokens are hashed under the pepper of --pepper-file, of the variable CLAVIGER_PEPPER, or of the
file beside the lake (./lake.pepper): the one that the service runs with.")]
pub(super) struct TokenArguments {
    /// Folder or URL of the lake
    #[arg(long, value_name = "DIR")]
    lake: String,
    /// File with the secret under which tokens are hashed
    #[arg(long, value_name = "FILE")]
    pepper_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a token and prints it, once
    Create(Create),
    /// Tokens with what they may do, until when, and when they were used last
    List {
        /// Those that work no longer, too
        #[arg(long)]
        all: bool,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes a token with the rights of another, which goes on working for a while
    Rotate {
        /// The token to replace
        id: String,
        /// How long both work, as 30m, 24h or 7d; 0s ends the old one at once
        #[arg(long, value_name = "TIME", default_value = "24h")]
        overlap: String,
        /// When the new one expires, as 90d, or never
        #[arg(long, value_name = "TIME", default_value = "90d")]
        expires: String,
        #[command(flatten)]
        person: Person,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Ends a token within five seconds, and the sessions that it opened
    Revoke {
        /// The token to end
        id: String,
        #[command(flatten)]
        person: Person,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// What it may do: query, report, diagnose, incidents:write, export, admin; repeat for several
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// The tenant whose rows it may see
    #[arg(long, value_name = "TENANT", required_unless_present = "all_tenants")]
    tenant: Option<String>,
    /// It may see the rows of every tenant
    #[arg(long, conflicts_with = "tenant")]
    all_tenants: bool,
    /// When it expires, as 90d, or never
    #[arg(long, value_name = "TIME", default_value = "90d")]
    expires: String,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
    #[command(flatten)]
    person: Person,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Person {
    /// Who does it
    #[arg(long, value_name = "NAME", default_value = "operator")]
    by: String,
}

pub(super) fn run(arguments: &TokenArguments) -> Result<Answer, Failure> {
    super::wait_for(async {
        let lake = Lake::open_existing(&arguments.lake, Lake::DEFAULT_PIPELINE, &HashMap::new()).await?;
        let tokens = read(&lake).await?;
        match &arguments.command {
            Command::Create(create) => {
                let tenants = match &create.tenant {
                    Some(tenant) if !tenant.trim().is_empty() => TenantScope::One(tenant.clone()),
                    Some(_) => return Err(Failure::usage("the tenant is empty", "name one, or say --all-tenants")),
                    None => TenantScope::All,
                };
                let wish = Wish {
                    label: create.label.clone(),
                    scopes: create.scopes.iter().copied().collect(),
                    tenants,
                    expires_at_us: expiry(&create.expires)?,
                    replaces: None,
                };
                let new = mint(wish, &key(arguments, &tokens)?)?;
                lake.record_tokens(&[created(&new, &create.person)]).await?;
                show_once(&new, create.json)
            }
            Command::List { all, json } => list(&tokens, *all, *json),
            Command::Rotate { id, overlap, expires, person, json } => {
                let (id, old) = find(&tokens, id)?;
                must_work(&tokens, id)?;
                let Grant { label, scopes, tenants, .. } = old.grant.clone();
                let wish = Wish { label, scopes, tenants, expires_at_us: expiry(expires)?, replaces: Some(id) };
                let until_us = now_us().saturating_add(span_us(overlap)?);
                let new = mint(wish, &key(arguments, &tokens)?)?;
                let ends = TokenHappening::Rotated { successor: new.token.id(), until_us };
                lake.record_tokens(&[created(&new, person), event(id, person, ends)]).await?;
                write_to_stderr(&format!("{id} works until {}", time::format(until_us)));
                show_once(&new, *json)
            }
            Command::Revoke { id, person } => {
                let (id, _) = find(&tokens, id)?;
                lake.record_tokens(&[event(id, person, TokenHappening::Revoked)]).await?;
                print(&format!("{id}: revoked\n"))?;
                Ok(Answer::Yes)
            }
        }
    })?
}

async fn read(lake: &Lake) -> Result<Tokens, LakeError> {
    let table = Box::pin(lake.tokens()).await?;
    Ok(Tokens::fold(table.read().await?))
}

/// What a new token is to be.
struct Wish {
    label: String,
    scopes: Scopes,
    tenants: TenantScope,
    expires_at_us: Option<i64>,
    replaces: Option<TokenId>,
}

struct New {
    token: Token,
    grant: Grant,
}

fn mint(wish: Wish, key: &TokenKey) -> Result<New, Failure> {
    let mut random = [0; RANDOM_BYTES];
    SysRng.try_fill_bytes(&mut random).map_err(|error| Failure {
        message: format!("the system gives no random numbers: {error}"),
        hint: "look at /dev/urandom of the machine".to_owned(),
        blame: Blame::Environment,
    })?;
    let token = Token::mint(&random);
    let Wish { label, scopes, tenants, expires_at_us, replaces } = wish;
    let (hash, last4) = (key.hash(&token), token.last4().to_owned());
    let grant = Grant { label, scopes, tenants, expires_at_us, hash, key: key.name(), last4, replaces };
    Ok(New { token, grant })
}

fn created(new: &New, person: &Person) -> TokenEvent {
    event(new.token.id(), person, TokenHappening::Created(new.grant.clone()))
}

fn event(token: TokenId, person: &Person, what: TokenHappening) -> TokenEvent {
    TokenEvent { at_us: now_us(), token, by: person.by.clone(), what }
}

fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

fn span_us(text: &str) -> Result<i64, Failure> {
    let wrong = || Failure::usage(format!("`{text}` is no time span"), "write 30m, 24h or 90d");
    let Millis(millis) = text.parse().map_err(|()| wrong())?;
    i64::try_from(millis.saturating_mul(1_000)).map_err(|_| wrong())
}

fn expiry(text: &str) -> Result<Option<i64>, Failure> {
    if text == "never" {
        return Ok(None);
    }
    let span = span_us(text).map_err(|_| Failure::usage(format!("`{text}` is no time span"), "write 90d, or never"))?;
    Ok(Some(now_us().saturating_add(span)))
}

/// The token whose id begins so; a whole token will do, of which only the id is looked at.
fn find<'a>(tokens: &'a Tokens, text: &str) -> Result<(TokenId, &'a Created), Failure> {
    let id = text.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next()).unwrap_or(text);
    let mut found = tokens.iter().filter(|(known, _)| !id.is_empty() && known.as_str().starts_with(id));
    match (found.next(), found.next()) {
        (Some(found), None) => Ok(found),
        (Some(_), Some(_)) => Err(Failure::usage(format!("several tokens begin with `{id}`"), "write more of the id")),
        (None, _) => {
            Err(Failure::usage(format!("there is no token `{id}`"), "`claviger token list --all` shows all of them"))
        }
    }
}

fn must_work(tokens: &Tokens, id: TokenId) -> Result<(), Failure> {
    match tokens.standing(id, now_us()) {
        Some(Standing::Live) => Ok(()),
        ended => {
            let word = ended.map_or("unknown", Standing::word);
            Err(Failure::usage(format!("the token {id} is {word}"), "make a new one with `claviger token create`"))
        }
    }
}

/// The key that tokens are hashed under.
fn key(arguments: &TokenArguments, tokens: &Tokens) -> Result<TokenKey, Failure> {
    let key = TokenKey::new(&pepper(arguments)?);
    let name = key.name();
    let live = tokens.iter().filter(|(id, _)| tokens.standing(*id, now_us()) == Some(Standing::Live));
    let others: Vec<&str> = live.map(|(_, created)| created.grant.key.as_str()).collect();
    if !others.is_empty() && !others.contains(&name.as_str()) {
        write_to_stderr(
            "note: the other tokens of this lake were made under another pepper; this one works with a service that has \
             this pepper only",
        );
    }
    Ok(key)
}

/// The pepper that was named, or the one beside the lake.
fn pepper(arguments: &TokenArguments) -> Result<Pepper, Failure> {
    let variable = std::env::var("CLAVIGER_PEPPER").ok();
    if let (None, Some(secret)) = (&arguments.pepper_file, variable) {
        return Ok(Pepper::new(secret.as_bytes()).ok_or(crate::config::LoadError::NoPepper)?);
    }
    let beside = PathBuf::from(format!("{}.pepper", arguments.lake.trim_end_matches('/')));
    let path: &Path = arguments.pepper_file.as_deref().unwrap_or(&beside);
    if arguments.pepper_file.is_none() && !path.exists() {
        return Err(Failure::usage(
            "tokens are hashed under the deployment's pepper, and none was named",
            "say --pepper-file with the file that `secrets.pepper_file` names, or set CLAVIGER_PEPPER",
        ));
    }
    Ok(crate::config::read_pepper(path)?)
}

/// The token alone to standard output, for scripts; what is to be known of it beside it.
fn show_once(new: &New, json: bool) -> Result<Answer, Failure> {
    let id = new.token.id();
    if json {
        let mut value = described(id, &new.grant);
        value["token"] = new.token.reveal().into();
        print(&format!("{value:#}\n"))?;
        return Ok(Answer::Yes);
    }
    let Grant { scopes, tenants, expires_at_us, .. } = &new.grant;
    write_to_stderr(&format!(
        "id       {id}\nscopes   {}\ntenant   {}\nexpires  {}\nThe token is shown this once; keep it where secrets are kept:",
        words(*scopes),
        tenant(tenants).unwrap_or("all"),
        expires_at_us.map_or_else(|| "never".to_owned(), time::format),
    ));
    print(&format!("{}\n", new.token.reveal()))?;
    Ok(Answer::Yes)
}

fn words(scopes: Scopes) -> String {
    scopes.iter().map(Scope::word).collect::<Vec<_>>().join(" ")
}

fn tenant(tenants: &TenantScope) -> Option<&str> {
    match tenants {
        TenantScope::All => None,
        TenantScope::One(tenant) => Some(tenant),
    }
}

fn described(id: TokenId, grant: &Grant) -> Value {
    json!({
        "id": id.as_str(),
        "label": grant.label,
        "last4": grant.last4,
        "scopes": grant.scopes.iter().map(Scope::word).collect::<Vec<_>>(),
        "tenant": tenant(&grant.tenants),
        "expires_at": grant.expires_at_us.map(time::format),
        "replaces": grant.replaces.map(|id| id.to_string()),
    })
}

fn list(tokens: &Tokens, all: bool, json: bool) -> Result<Answer, Failure> {
    let now_us = now_us();
    let standing = |id| tokens.standing(id, now_us).unwrap_or(Standing::Live);
    let shown = tokens.iter().filter(|(id, _)| all || standing(*id) == Standing::Live);
    let mut shown: Vec<(TokenId, &Created)> = shown.collect();
    shown.sort_by_key(|(_, created)| created.at_us);
    if json {
        let rows = shown.iter().map(|(id, created)| {
            let mut value = described(*id, &created.grant);
            value["status"] = standing(*id).word().into();
            value["created_at"] = time::format(created.at_us).into();
            value["created_by"] = created.by.clone().into();
            value["used_at"] = tokens.used_at_us(*id).map(time::format).into();
            value["ends_at"] = tokens.ends_at_us(*id).map(time::format).into();
            value
        });
        print(&format!("{:#}\n", Value::from(rows.collect::<Vec<_>>())))?;
        return Ok(Answer::Yes);
    }
    let mut text = String::new();
    for (id, created) in shown {
        let instant = |at_us: Option<i64>, none: &str| at_us.map_or_else(|| none.to_owned(), time::format);
        let (ends, used) = (instant(tokens.ends_at_us(id), "never"), instant(tokens.used_at_us(id), "never"));
        let (status, grant) = (standing(id).word(), &created.grant);
        let (tenant, scopes, label) = (tenant(&grant.tenants).unwrap_or("all"), words(grant.scopes), &grant.label);
        let line = format!(
            "{id} …{}  {status:<8} ends {ends}  used {used}  tenant {tenant}  [{scopes}]  {label}",
            grant.last4
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("no token\n");
    }
    print(&text)?;
    Ok(Answer::Yes)
}
