//! Where a vault keeps what it knows, as all its commands are told: data directory, database, wrapping key. Flags come
//! before the environment, and that before the file of `--config`.

use super::file::{FileSettings, parsed};
use crate::{exit::Failure, secret::read_file};
use clap::Args;
use std::path::PathBuf;
use vault::{
    seal::{CustomerKey, CustomerKeys, KeySource, KeyUser},
    store::postgres::DatabaseUrl,
};

const DATA: &str = "cofferdam-vault";
const WRAPPING_KEY: &str = "COFFERDAM_WRAPPING_KEY";

#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// File with settings (YAML; the names of these flags without dashes before them)
    #[arg(long, env = "COFFERDAM_VAULT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the vault; cofferdam-vault when absent
    #[arg(long, env = "COFFERDAM_VAULT_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Database that several replicas share, postgres://…; a file in the data directory when absent. With a password use
    /// --database-file or the environment
    #[arg(long, env = "COFFERDAM_DATABASE", hide_env_values = true, value_name = "URL")]
    database: Option<String>,
    /// File that holds the URL of the database
    #[arg(long, env = "COFFERDAM_DATABASE_FILE", value_name = "FILE")]
    database_file: Option<PathBuf>,
    /// File that holds the wrapping key, or the variable COFFERDAM_WRAPPING_KEY; one in the data directory when absent
    #[arg(long, env = "COFFERDAM_WRAPPING_KEY_FILE", value_name = "FILE")]
    wrapping_key_file: Option<PathBuf>,
    /// Key of a customer that Backup vaults name in their encryption settings, https://HOST/keys/NAME/VERSION=FILE, with 64
    /// hexadecimal digits in the file; may be given several times, the newest version of a key last
    #[arg(long, env = "COFFERDAM_VAULT_CUSTOMER_KEY_FILES", value_name = "URI=FILE", value_delimiter = ' ')]
    customer_key_file: Vec<CustomerKey>,
    /// Identity that reaches a key of a customer, https://HOST/keys/NAME=OBJECT-ID; may be given several times. A key of which
    /// nothing is said is there for every identity of a Backup vault
    #[arg(long, env = "COFFERDAM_VAULT_CUSTOMER_KEY_USERS", value_name = "URI=ID", value_delimiter = ' ')]
    customer_key_user: Vec<KeyUser>,
}

/// Where a vault keeps what it knows.
#[derive(Debug)]
pub struct Place {
    pub data: PathBuf,
    pub database: Option<DatabaseUrl>,
    pub wrapping_key: KeySource,
    pub customer_keys: CustomerKeys,
}

impl PlaceArgs {
    /// What was chosen, and the rest of the file.
    pub fn resolve(self) -> Result<(Place, FileSettings), Failure> {
        let mut file = match &self.config {
            Some(path) => FileSettings::read(path)?,
            None => FileSettings::default(),
        };
        let data = self.data.or(file.data.take()).unwrap_or_else(|| PathBuf::from(DATA));
        let database = match (self.database, self.database_file) {
            (Some(_), Some(_)) => return Err(twice("--database", "--database-file")),
            (None, None) => match (file.database.take(), file.database_file.take()) {
                (Some(_), Some(_)) => return Err(twice("database", "database-file")),
                (None, Some(path)) => Some(read_file(&path)?),
                (text, None) => text,
            },
            (None, Some(path)) => Some(read_file(&path)?),
            (text, None) => text,
        };
        let database =
            database.map(|text| text.parse::<DatabaseUrl>()).transpose().map_err(Failure::usage)?;
        let given = std::env::var(WRAPPING_KEY).ok().filter(|text| !text.trim().is_empty());
        let wrapping_key = match (self.wrapping_key_file, given) {
            (Some(_), Some(_)) => return Err(twice("--wrapping-key-file", WRAPPING_KEY)),
            (Some(path), None) => KeySource::File(path),
            (None, Some(text)) => KeySource::Given(text.into()),
            (None, None) => file.wrapping_key_file.take().map_or(KeySource::Directory, KeySource::File),
        };
        let mut customer_keys = self.customer_key_file;
        if customer_keys.is_empty() {
            for one in file.customer_key_files.take().unwrap_or_default() {
                customer_keys.extend(parsed::<CustomerKey>("customer-key-files", Some(one))?);
            }
        }
        let mut users = self.customer_key_user;
        if users.is_empty() {
            for one in file.customer_key_users.take().unwrap_or_default() {
                users.extend(parsed::<KeyUser>("customer-key-users", Some(one))?);
            }
        }
        let customer_keys = CustomerKeys::from(customer_keys).with_users(users);
        Ok((Place { data, database, wrapping_key, customer_keys }, file))
    }
}

fn twice(one: &str, other: &str) -> Failure {
    Failure::usage(format!("{one} and {other} say the same thing twice")).next("Leave one of them out.")
}
