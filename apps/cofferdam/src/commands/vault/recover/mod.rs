//! `cofferdam vault recover`: the vault again after its database is lost, from a backup that it made of itself or, without
//! one, from the exported keys; and what the repositories hold against what the catalogue then says.

mod scan;

use super::{
    backups::StoreArgs,
    credential::hand_over,
    keys::key,
    place::{Place, PlaceArgs},
    serve::failure,
};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use std::{path::PathBuf, sync::Arc};
use telemetry::{Clock, SystemClock};
use vault::{
    bootstrap::first_start,
    directory::DataDirectory,
    keys::{import, read_export},
    recover::{Reach, RecoverError, Recovered, recover},
    rewrap,
    sealed_file::{self, Identity},
    self_backup::{self, Newest},
    server::{create_store, open_store},
    store::Store,
    stores::StoreSpec,
};

/// Where the first administrator's credential goes when there is no terminal.
const ADMINISTRATOR: &str = "administrator.json";

#[derive(Debug, Args)]
pub struct RecoverArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// A backup on this machine; the newest of the store when absent
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    file: Option<PathBuf>,
    /// A backup of the store, as `list-self-backups` names it; the newest when absent
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// File with the secret half of a recovery key (AGE-SECRET-KEY-1…) to which the backup, or the keys of
    /// --repository-keys, were sealed
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// File that `export-repository-keys` wrote: keys that the backup does not hold are taken from it
    #[arg(long, value_name = "FILE", requires = "identity")]
    repository_keys: Option<PathBuf>,
    /// There is no backup: make an empty vault, and fill it from the repositories whose keys --repository-keys holds
    #[arg(long, conflicts_with_all = ["file", "name"], requires = "repository_keys")]
    without_backup: bool,
    /// A store of storage accounts, as `vault serve --store` has it; may be given several times
    #[arg(long = "store", env = "COFFERDAM_VAULT_STORES", value_name = "NAME=URL", value_delimiter = ' ')]
    stores: Vec<StoreSpec>,
    /// Where a location outside the vault is, named after its key: KEY=URL of its bucket and prefix; may be given several
    /// times
    #[arg(long = "repository", value_name = "KEY=URL")]
    repositories: Vec<StoreSpec>,
    /// Look only at the repositories, and add what they hold to the catalogue of a vault that is there
    #[arg(long, conflicts_with_all = ["file", "name", "without_backup"])]
    scan_only: bool,
    /// Leave the repositories alone
    #[arg(long, conflicts_with_all = ["without_backup", "scan_only"])]
    no_scan: bool,
}

pub async fn run(args: RecoverArgs, format: Format) -> Outcome {
    let (place, mut file) = args.place.resolve()?;
    let spec = args.store.resolve(&mut file)?;
    let mut stores = args.stores;
    if stores.is_empty() {
        for one in file.stores.take().unwrap_or_default() {
            stores.extend(super::file::parsed::<StoreSpec>("stores", Some(one))?);
        }
    }
    let identity: Option<Identity> = args.identity.as_deref().map(key).transpose()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let directory = DataDirectory::open(&place.data).map_err(Failure::precondition)?;
    // No server may run on this directory while its files are put there.
    let _lock = match args.scan_only {
        true => None,
        false => Some(directory.lock().map_err(Failure::precondition)?),
    };
    let mut told = Told::default();
    let content = match (&args.file, args.without_backup || args.scan_only) {
        (_, true) => None,
        (Some(path), false) => {
            let opened = tokio::fs::File::open(path).await.map_err(|error| {
                Failure::precondition(format!("could not read {}: {error}", path.display()))
                    .next("Name a file that `cofferdam vault self-backup` or a running vault wrote.")
            })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Some((name, self_backup::content_of(opened)))
        }
        (None, false) => Some(of_store(spec.as_ref(), args.name, &directory, &clock, &mut told).await?),
    };
    let database = place.database.as_ref();
    let store = match args.scan_only {
        true => open_store(&directory, database).await,
        false => create_store(&directory, database).await,
    };
    let store = store.map_err(failure)?;
    let all = All {
        store: store.clone(),
        place: &place,
        directory: &directory,
        identity,
        repository_keys: args.repository_keys,
        clock: clock.clone(),
    };
    let reach =
        Reach { stores: &stores, locations: &args.repositories, directory: &directory, clock: &clock };
    let done = async {
        match content {
            Some((name, content)) => {
                let done = all.load(&name, content).await?;
                told.backup(&name, &done, &directory);
            }
            None if args.scan_only => {}
            None => all.empty(&mut told).await?,
        }
        let wrapping = all.keys(&mut told).await?;
        if !args.no_scan {
            scan::scan(store.as_ref(), &wrapping, reach, clock.now(), &mut told).await?;
        }
        Ok::<_, Failure>(told)
    };
    let done = done.await;
    store.close().await;
    let told = done?;
    output::tell(format, &told.lines.join("\n"), serde_json::Value::Object(told.facts))?;
    Ok(if told.warned { Exit::Warnings } else { Exit::Done })
}

async fn of_store(
    spec: Option<&StoreSpec>,
    name: Option<String>,
    directory: &DataDirectory,
    clock: &Arc<dyn Clock>,
    told: &mut Told,
) -> Result<(String, self_backup::Content), Failure> {
    let at = self_backup::Place::open(spec, directory, clock).map_err(|error| failure(error.into()))?;
    let name = match name {
        Some(name) => name,
        None => match at.newest(None, clock.now()).await.map_err(Failure::failed)? {
            Newest::One { name, passed_over } => {
                for later in passed_over {
                    told.warned = true;
                    told.line(format!(
                        "passed over {later}: its time is yet to come, so a clock was ahead when it was made; to take it: `--name {later}`"
                    ));
                }
                name
            }
            Newest::None => {
                return Err(Failure::precondition(format!("there is no backup in {}", at.text())).next(
                    "Name where they are with `--backup-store URL`, or one with `--file FILE`. When there is none at all: `--without-backup --repository-keys FILE --identity FILE`.",
                ));
            }
            Newest::OfSeveral(tenants) => {
                return Err(Failure::precondition(format!(
                    "{} holds backups of several vaults: {}",
                    at.text(),
                    tenants.join(", ")
                ))
                .next("Choose one with `--name NAME`; `cofferdam vault list-self-backups` shows them."));
            }
        },
    };
    let content = at.get(&name).await.map_err(Failure::precondition)?;
    Ok((name, content))
}

struct All<'a> {
    store: Arc<dyn Store>,
    place: &'a Place,
    directory: &'a DataDirectory,
    identity: Option<Identity>,
    repository_keys: Option<PathBuf>,
    clock: Arc<dyn Clock>,
}

/// What was done, for people and for scripts.
#[derive(Default)]
pub struct Told {
    pub lines: Vec<String>,
    pub facts: serde_json::Map<String, serde_json::Value>,
    pub warned: bool,
}

impl Told {
    fn fact(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    fn backup(&mut self, name: &str, done: &Recovered, directory: &DataDirectory) {
        let rows: u64 = done.rows.values().sum();
        self.line(format!("the vault is back as it was at {}: {rows} rows from {name}", done.taken_at));
        self.line(format!("tenant {}, wrapping key {}", done.tenant, done.wrapping_key));
        if done.key_written {
            let path = directory.path(vault::seal::KEY_FILE);
            self.line(format!("its wrapping key is in {} now; back that file up", path.display()));
        }
        for file in &done.files {
            self.line(format!("put back {}", directory.path(file).display()));
        }
        for file in &done.files_left {
            self.warned = true;
            let path = directory.path(file);
            self.line(format!(
                "left {} as it is, which differs from that of the backup: clients that trusted the old one must trust this one",
                path.display()
            ));
        }
        if let Some(number) = done.audit_broken_at {
            self.warned = true;
            self.line(format!(
                "the audit log was altered before the backup was made: record {number} does not follow from those before it"
            ));
        }
        self.fact("backup", name);
        self.fact("takenAt", done.taken_at.to_string());
        self.fact("tenant", done.tenant.as_str());
        self.fact("wrappingKey", done.wrapping_key.as_str());
        self.fact("rows", rows);
    }
}

impl All<'_> {
    async fn load(&self, name: &str, content: self_backup::Content) -> Result<Recovered, Failure> {
        let (source, now) = (&self.place.wrapping_key, self.clock.now());
        let identity = self.identity.clone();
        let done = recover(self.store.as_ref(), self.directory, source, identity, (name, content), now).await;
        done.map_err(|error| match error {
            RecoverError::Store(error @ vault::store::StoreError::NotEmpty(_)) => {
                Failure::precondition(error).next(
                    "Nothing was changed. To add what repositories hold to a vault that is there: `cofferdam vault recover --scan-only`.",
                )
            }
            error => Failure::precondition(error).next("Nothing was changed."),
        })
    }

    /// A vault that knows nothing but an administrator.
    async fn empty(&self, told: &mut Told) -> Result<(), Failure> {
        // Dropped again: it says whether there is anything.
        drop(
            self.store
                .fill()
                .await
                .map_err(|error| Failure::precondition(error).next("Nothing was changed."))?,
        );
        let made = first_start(self.store.as_ref(), None, self.clock.now()).await;
        let (tenant, credential) = made.map_err(|error| failure(error.into()))?;
        if let Some(credential) = credential {
            hand_over(&credential, self.directory, ADMINISTRATOR, None)?;
        }
        told.line(format!("made an empty vault with the tenant {tenant} and an administrator"));
        told.line(
            "no repository tells of these: people and service principals, roles, policies, storage accounts, \
             connections of clusters, names of vaults and instances. Make them again"
                .to_owned(),
        );
        told.fact("tenant", tenant);
        told.warned = true;
        Ok(())
    }

    /// The wrapping key, and the repository keys of an export.
    async fn keys(&self, told: &mut Told) -> Result<vault::seal::Wrapping, Failure> {
        let (store, now) = (self.store.as_ref(), self.clock.now());
        let wrapping = self.place.wrapping_key.open(self.directory).map_err(|error| failure(error.into()))?;
        let mut wrapping = wrapping.with_customers(self.place.customer_keys.clone());
        rewrap::settle(store, &mut wrapping, now).await.map_err(|error| failure(error.into()))?;
        if let (Some(path), Some(identity)) = (&self.repository_keys, &self.identity) {
            let wrong = |error: &dyn std::fmt::Display| {
                Failure::precondition(format!("could not open {}: {error}", path.display()))
            };
            let file = std::fs::read(path).map_err(|error| wrong(&error))?;
            let content = sealed_file::open(identity, &file).map_err(|error| wrong(&error))?;
            let keys = read_export(&content).map_err(|error| wrong(&error))?;
            let added = import(store, &wrapping, &keys, now).await.map_err(Failure::failed)?;
            told.line(format!("took {added} repository keys over from {}", path.display()));
            told.fact("repositoryKeys", added);
        }
        Ok(wrapping)
    }
}
