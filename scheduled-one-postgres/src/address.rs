//! The address of PostgreSQL: parsed from a URL in the form of libpq, completed by the environment of libpq, displayed
//! without passwords.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use scheduled_one_schedule::name::check_name;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::connect_error::ConnectError;
use crate::encryption::{Encryption, Mode, Parameters};
use crate::password::{Login, Password};

/// How long one host may take to accept a connection, if the URL does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The schema of the tables, if the URL does not say.
const SCHEMA: &str = "scheduled_one";

/// The name that the server shows for our connections.
const APPLICATION: &str = "scheduled-one";

/// Longest name in PostgreSQL, in bytes.
const MAX_NAME_BYTES: usize = 63;

/// Parameters that are passed to the client.
const PASSED: [&str; 11] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "load_balance_hosts",
    "options",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// Where PostgreSQL is. No `Debug` of the client's settings: they may hold a password.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    pub(crate) password: Password,
    pub(crate) encryption: Encryption,
    pub(crate) schema: String,
}

impl Address {
    /// Parses a URL. Variables of the environment fill in what the URL leaves out.
    pub(crate) fn new(
        url: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConnectError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut ours = Ours::default();
        let mut passed = String::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            ours.take(pair, &mut passed)?;
        }
        let mut config = Config::from_str(&format!("{base}{passed}")).map_err(|_| malformed())?;
        complete(&mut config, environment)?;
        let encryption = Encryption::new(&ours.encryption, environment)?;
        config.ssl_mode(match encryption.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        let password = password(&mut config, ours.passfile, environment);
        let schema = ours.schema.unwrap_or_else(|| SCHEMA.to_owned());
        if !is_schema(&schema) {
            return Err(bad(
                "a schema is 1 to 63 of a-z 0-9 _ and begins with no digit and not with pg_",
            ));
        }
        Ok(Address {
            config,
            password,
            encryption,
            schema,
        })
    }

    /// The user, for error texts and grants.
    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("(that of the process)")
    }

    /// The database, which has the name of the user if the URL names none.
    fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or(self.user())
    }

    /// What a line of a password file has to be for, for each host. For one that is only known by its address, that;
    /// for a socket, `localhost`.
    pub(crate) fn logins(&self) -> Vec<Login> {
        let (hosts, addresses) = (self.config.get_hosts(), self.config.get_hostaddrs());
        let ports = self.config.get_ports();
        let login = |place: usize| Login {
            host: match (hosts.get(place), addresses.get(place)) {
                (Some(Host::Tcp(host)), _) => host.clone(),
                (None, Some(address)) => address.to_string(),
                _ => "localhost".to_owned(),
            },
            port: ports.get(place).or(ports.first()).copied().unwrap_or(5432),
            database: self.database().to_owned(),
            user: self.user().to_owned(),
        };
        (0..hosts.len().max(addresses.len())).map(login).collect()
    }

    /// The password for each host. Blocks, if it is in a file.
    ///
    /// # Errors
    ///
    /// See [`Password::read`].
    pub(crate) fn passwords(&self) -> Result<Vec<Option<Vec<u8>>>, String> {
        let logins = self.logins();
        logins
            .iter()
            .map(|login| self.password.read(login))
            .collect()
    }
}

/// Hosts, ports and database.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match host {
                Host::Tcp(host) => f.write_str(host)?,
                Host::Unix(folder) => write!(f, "{}", folder.display())?,
            }
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.database())
    }
}

/// Parameters that the client does not know.
#[derive(Default)]
struct Ours {
    encryption: Parameters,
    passfile: Option<String>,
    schema: Option<String>,
}

impl Ours {
    /// Keeps a parameter, or passes it on.
    fn take(&mut self, pair: &str, passed: &mut String) -> Result<(), ConnectError> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let place = match key {
            "sslmode" => &mut self.encryption.sslmode,
            "sslrootcert" => &mut self.encryption.sslrootcert,
            "sslcert" => &mut self.encryption.sslcert,
            "sslkey" => &mut self.encryption.sslkey,
            "passfile" => &mut self.passfile,
            "schema" => &mut self.schema,
            _ if PASSED.contains(&key) => {
                passed.push(if passed.is_empty() { '?' } else { '&' });
                passed.push_str(pair);
                return Ok(());
            }
            _ => {
                return Err(bad(&format!(
                    "a parameter behind the ? is none of sslmode, sslrootcert, sslcert, sslkey, passfile, schema, {} \
                     (in a password, a ? is written %3F)",
                    PASSED.join(", ")
                )));
            }
        };
        let value = decoded(value).ok_or_else(malformed)?;
        *place = Some(value);
        Ok(())
    }
}

/// What the URL leaves out comes from the variables of libpq.
fn complete(
    config: &mut Config,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ConnectError> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        let hosts = environment("PGHOST").unwrap_or_else(|| "localhost".to_owned());
        for host in hosts.split(',') {
            config.host(host);
        }
    }
    if config.get_ports().is_empty()
        && let Some(ports) = environment("PGPORT")
    {
        for port in ports.split(',') {
            config.port(port.parse().map_err(|_| bad("PGPORT is no port"))?);
        }
    }
    if config.get_user().is_none() {
        let user = environment("PGUSER").or_else(|| environment("USER"));
        config.user(user.unwrap_or_else(|| "postgres".to_owned()));
    }
    if config.get_dbname().is_none()
        && let Some(database) = environment("PGDATABASE")
    {
        config.dbname(database);
    }
    if config.get_application_name().is_none() {
        config.application_name(environment("PGAPPNAME").unwrap_or_else(|| APPLICATION.to_owned()));
    }
    if config.get_connect_timeout().is_none() {
        // All hosts are tried within the time of one request.
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX);
        config.connect_timeout(CONNECT_TIMEOUT / hosts.max(1));
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    Ok(())
}

/// As libpq: the URL, then `PGPASSWORD`, then the password file.
fn password(
    config: &mut Config,
    passfile: Option<String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Password {
    if let Some(password) = config.get_password() {
        return Password::Text(password.to_owned());
    }
    if passfile.is_none()
        && let Some(password) = environment("PGPASSWORD")
    {
        return Password::Text(password.into_bytes());
    }
    let named = passfile.or_else(|| environment("PGPASSFILE"));
    let file = named.map(PathBuf::from).or_else(|| {
        let home = environment("HOME")?;
        let file = Path::new(&home).join(".pgpass");
        file.is_file().then_some(file)
    });
    file.map_or(Password::None, Password::File)
}

/// Whether a schema may have this name, which goes into statements.
pub(crate) fn is_schema(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let is_plain = !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(allowed);
    is_plain && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.starts_with("pg_")
}

/// A namespace is a part of the key of each row.
pub(crate) fn check_namespace(namespace: &str) -> Result<(), ConnectError> {
    check_name(namespace).map_err(|_| ConnectError::BadNamespace(namespace.to_owned()))
}

/// A percent-encoded text.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (&[high, low], behind) = rest.split_first_chunk()?;
        bytes.push(digit(high)? << 4 | digit(low)?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

fn bad(why: &str) -> ConnectError {
    ConnectError::BadUrl(why.to_owned())
}

/// The error of the client is not shown: it may repeat a part of the URL, and any part may be a misplaced password.
fn malformed() -> ConnectError {
    bad(
        "it is malformed (in a user name or password, / ? # [ ] @ : & % and spaces have to be percent-encoded; ports \
         and timeouts are numbers)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address, ConnectError> {
        Address::new(url, &|_| None)
    }

    fn text(url: &str) -> String {
        address(url).unwrap().to_string()
    }

    #[test]
    fn a_url_has_hosts_user_and_database() {
        assert_eq!(text("postgres://ann:pw@db/app"), "db:5432/app");
        assert_eq!(text("postgresql://ann@a:1,b:2/app"), "a:1,b:2/app");
        assert_eq!(text("postgres://ann@[::1]:7/app"), "::1:7/app");
        assert_eq!(text("postgres://%2Frun%2Fpg/app"), "/run/pg:5432/app");
        assert_eq!(text("postgres://"), "localhost:5432/postgres");
        let address = address("postgres://ann:p%40w@db/app?schema=jobs&sslmode=disable").unwrap();
        assert_eq!(address.schema, "jobs");
        assert_eq!(address.encryption.mode, Mode::Disable);
        assert_eq!(address.user(), "ann");
        let password = address.passwords().unwrap();
        assert_eq!(password, [Some(b"p@w".to_vec())]);
    }

    #[test]
    fn the_environment_of_libpq_completes_a_url() {
        let variables = |name: &str| {
            let value = match name {
                "PGHOST" => "a,b",
                "PGPORT" => "6000",
                "PGUSER" => "ann",
                "PGDATABASE" => "app",
                "PGPASSWORD" => "secret",
                "PGSSLMODE" => "disable",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let address = Address::new("postgres://", &variables).unwrap();
        assert_eq!(address.to_string(), "a:6000,b:6000/app");
        assert_eq!(address.encryption.mode, Mode::Disable);
        let password = address.passwords().unwrap();
        assert_eq!(
            password,
            [Some(b"secret".to_vec()), Some(b"secret".to_vec())]
        );
        // The URL comes first.
        let address = Address::new("postgres://bob:other@c/db", &variables).unwrap();
        assert_eq!(
            (address.to_string().as_str(), address.user()),
            ("c:5432/db", "bob")
        );
    }

    #[test]
    fn a_fault_is_named_and_no_part_of_the_url_is() {
        let cases = [
            ("postgres://ann:SECRET?x@db/app", "%3F"),
            ("postgres://ann:pw@db:SECRET/app", "percent-encoded"),
            ("postgres://ann:pw@db/app?sslmode=SECRET", "verify-full"),
            ("postgres://ann:pw@db/app?SECRET=1", "none of sslmode"),
            ("postgres://ann:pw@db/app?schema=SECRET", "1 to 63"),
            ("postgres://ann:pw@db/app?schema=pg_SECRET", "1 to 63"),
            ("postgres://ann:pw@db/app?sslcert=SECRET", "go together"),
            ("postgres://ann:pw@db/app?connect_timeout=SECRET", "numbers"),
        ];
        for (url, word) in cases {
            let error = address(url)
                .err()
                .unwrap_or_else(|| panic!("{url} is good"));
            let text = error.to_string();
            assert!(
                text.contains(word) && !text.contains("SECRET"),
                "{url}: {text}"
            );
        }
    }
}
