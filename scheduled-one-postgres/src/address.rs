//! The address of PostgreSQL: parsed from a URL in the form of libpq, completed by the environment of libpq, displayed
//! without passwords.

use std::fmt;
use std::path::{Path, PathBuf};

use scheduled_one_schedule::name::check_name;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::connect_error::ConnectError;
use crate::encryption::{Encryption, Mode, Parameters};
use crate::password::{Login, Password};
use crate::settings::{Environment, Settings, bad};

/// The schema of the tables, if the URL does not say.
const SCHEMA: &str = "scheduled_one";

/// Longest name in PostgreSQL, in bytes.
const MAX_NAME_BYTES: usize = 63;

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
    pub(crate) fn new(url: &str, environment: Environment<'_>) -> Result<Self, ConnectError> {
        let settings = Settings::new(url, environment)?;
        let mut config = settings.config()?;
        let encryption = Encryption::new(&Parameters::of(&settings))?;
        config.ssl_mode(match encryption.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        let schema = settings.owned("schema");
        let schema = schema.unwrap_or_else(|| SCHEMA.to_owned());
        if !is_schema(&schema) {
            return Err(bad(
                "a schema is 1 to 63 of a-z 0-9 _ and begins with no digit and not with pg_",
            ));
        }
        Ok(Address {
            config,
            password: password(settings, environment),
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
        let (hosts, addresses) = (self.config.get_hosts(), self.config.get_hostaddrs());
        let ports = self.config.get_ports();
        for place in 0..hosts.len().max(addresses.len()) {
            if place > 0 {
                f.write_str(",")?;
            }
            match (hosts.get(place), addresses.get(place)) {
                (Some(Host::Tcp(host)), _) => f.write_str(host)?,
                (Some(Host::Unix(folder)), _) => write!(f, "{}", folder.display())?,
                (None, Some(address)) => write!(f, "{address}")?,
                (None, None) => {}
            }
            let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.database())
    }
}

/// As libpq: the URL, then `PGPASSWORD`, then the password file.
fn password(settings: Settings, environment: Environment<'_>) -> Password {
    let file = settings.owned("passfile").map(PathBuf::from);
    if let Some(password) = settings.password {
        return Password::Text(password);
    }
    let file = file.or_else(|| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{OF_THE_SESSION, UNSUPPORTED};

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
        // The URL comes first, and what it leaves out does not.
        let address = Address::new("postgres://bob:other@c/db", &variables).unwrap();
        assert_eq!(
            (address.to_string().as_str(), address.user()),
            ("c:6000/db", "bob")
        );
        assert_eq!(address.passwords().unwrap(), [Some(b"other".to_vec())]);
        let address = Address::new("postgres://bob@c:7/db", &variables).unwrap();
        assert_eq!(address.to_string(), "c:7/db");
    }

    #[test]
    fn what_libpq_has_behind_the_question_mark_may_be_there() {
        let url = "postgresql:///app?host=/run/postgresql,b&port=6000,&user=ann&password=p%40w";
        let address = address(url).unwrap();
        assert_eq!(address.to_string(), "/run/postgresql:6000,b:5432/app");
        assert_eq!(address.user(), "ann");
        assert_eq!(address.passwords().unwrap()[0], Some(b"p@w".to_vec()));
        let all = "postgres://db/app?keepalives=1&keepalives_idle=2&keepalives_interval=3&keepalives_count=4\
                   &tcp_user_timeout=5000&connect_timeout=6&target_session_attrs=primary&options=-cgeqo%3Doff\
                   &channel_binding=require&load_balance_hosts=random&sslnegotiation=postgres&application_name=x";
        let config = super::tests::address(all).unwrap().config;
        let seconds = std::time::Duration::from_secs;
        assert_eq!(config.get_keepalives_idle(), seconds(2));
        assert_eq!(config.get_keepalives_interval(), Some(seconds(3)));
        assert_eq!(config.get_keepalives_retries(), Some(4));
        // Milliseconds, as with libpq.
        assert_eq!(config.get_tcp_user_timeout(), Some(&seconds(5)));
        assert_eq!(config.get_connect_timeout(), Some(&seconds(6)));
        assert_eq!(config.get_options(), Some("-cgeqo=off"));
        assert_eq!(config.get_application_name(), Some("x"));
        // The addresses alone are enough.
        assert_eq!(
            text("postgres://?hostaddr=::1,127.0.0.1&port=7"),
            "::1:7,127.0.0.1:7/postgres"
        );
    }

    #[test]
    fn each_variable_of_libpq_counts() {
        let of = |name: &'static str, value: &'static str| {
            let variables = move |asked: &str| (asked == name).then(|| value.to_owned());
            Address::new("postgres://ann@db/app", &variables)
        };
        let config = |name, value| of(name, value).unwrap().config;
        let address = std::net::IpAddr::from([10, 0, 0, 1]);
        assert_eq!(config("PGHOSTADDR", "10.0.0.1").get_hostaddrs(), [address]);
        assert_eq!(
            config("PGOPTIONS", "-cgeqo=off").get_options(),
            Some("-cgeqo=off")
        );
        let time = std::time::Duration::from_secs(7);
        assert_eq!(
            config("PGCONNECT_TIMEOUT", "7").get_connect_timeout(),
            Some(&time)
        );
        assert_eq!(config("PGAPPNAME", "x").get_application_name(), Some("x"));
        use tokio_postgres::config::{ChannelBinding, LoadBalanceHosts};
        let binding = config("PGCHANNELBINDING", "require").get_channel_binding();
        assert_eq!(binding, ChannelBinding::Require);
        let balance = config("PGLOADBALANCEHOSTS", "random").get_load_balance_hosts();
        assert_eq!(balance, LoadBalanceHosts::Random);
        // An empty one counts as missing.
        assert_eq!(config("PGCONNECT_TIMEOUT", "").get_options(), None);
        for (name, value, word) in [
            ("PGTARGETSESSIONATTRS", "standby", "has to take writes"),
            ("PGSSLCRL", "/crl.pem", "PGSSLCRL of libpq is set"),
            ("PGSSLNEGOTIATION", "direct", "PGSSLNEGOTIATION is postgres"),
            ("PGREQUIREAUTH", "scram-sha-256", "PGREQUIREAUTH"),
            (
                "PGCONNECT_TIMEOUT",
                "soon",
                "PGCONNECT_TIMEOUT is a number of seconds",
            ),
            ("PGHOSTADDR", "10.0.0.1,10.0.0.2", "1 hosts and 2 addresses"),
        ] {
            let text = of(name, value).err().unwrap().to_string();
            assert!(text.contains(word), "{name}: {text}");
        }
        // What libpq knows and this client does not, unless it does the same without.
        for name in UNSUPPORTED.map(|(_, variable, _)| variable) {
            let is_refused = of(name, "something").is_err();
            assert_eq!(is_refused, !name.is_empty(), "{name}");
        }
        for name in OF_THE_SESSION {
            let text = of(name, "on").err().unwrap().to_string();
            assert!(text.contains(name), "{text}");
        }
        assert!(of("PGGSSENCMODE", "require").is_err());
        assert!(of("PGGSSENCMODE", "disable").is_ok());
        let url = |mode| super::tests::address(&format!("postgres://db/app?gssencmode={mode}"));
        assert!(url("prefer").is_ok() && url("require").is_err());
        // The authorities of the system, and the old word for a mode.
        let mode = |name, value| of(name, value).unwrap().encryption.mode;
        assert_eq!(mode("PGSSLROOTCERT", "system"), Mode::VerifyFull);
        assert_eq!(mode("PGREQUIRESSL", "1"), Mode::Require);
        assert_eq!(mode("PGREQUIRESSL", "0"), Mode::Prefer);
        // A service names the host, if nothing else does.
        let service = |name: &str| (name == "PGSERVICE").then(|| "jobs".to_owned());
        assert!(Address::new("postgres://db/app", &service).is_ok());
        let text = Address::new("postgres:///app", &service)
            .err()
            .unwrap()
            .to_string();
        assert!(text.contains("PGSERVICE is set"), "{text}");
    }

    #[test]
    fn a_password_is_the_urls_then_of_the_environment_then_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, password: &str| {
            let lines = format!("a:5432:*:*:{password}-a\n*:*:*:*:{password}\n");
            std::fs::write(folder.path().join(name), lines).unwrap();
            folder.path().join(name).display().to_string()
        };
        let (named, file) = (
            write("named", "of PGPASSFILE"),
            write("file", "of passfile"),
        );
        write(".pgpass", "of home");
        let home = folder.path().display().to_string();
        let password = |url: &str, variables: &[(&str, &str)]| {
            let environment = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let address = Address::new(url, &environment).unwrap();
            let texts = address.passwords().unwrap().into_iter();
            texts
                .map(|password| String::from_utf8(password.unwrap_or_default()).unwrap())
                .collect::<Vec<_>>()
        };
        let all = [
            ("PGPASSWORD", "of PGPASSWORD"),
            ("PGPASSFILE", &named),
            ("HOME", &home),
        ];
        let with_file = format!("postgres://b/app?passfile={file}");
        assert_eq!(password("postgres://ann:url@b/app", &all), ["url"]);
        assert_eq!(password(&with_file, &all), ["of PGPASSWORD"]);
        assert_eq!(password(&with_file, &all[1..]), ["of passfile"]);
        assert_eq!(password("postgres://b/app", &all[1..]), ["of PGPASSFILE"]);
        assert_eq!(password("postgres://b/app", &all[2..]), ["of home"]);
        assert_eq!(password("postgres://b/app", &[]), [""]);
        // Each host has its own line.
        assert_eq!(
            password("postgres://b,a/app", &all[2..]),
            ["of home", "of home-a"]
        );
    }

    #[test]
    fn a_fault_is_named_and_no_part_of_the_url_is() {
        let cases = [
            ("postgres://ann:SECRET?x@db/app", "%3F"),
            ("postgres://ann:pw@db:SECRET/app", "a port is none"),
            ("postgres://ann:p%SECRET@db/app", "percent-encoded"),
            ("postgres://ann:pw@db/app?host=SECRET", "twice"),
            ("postgres://ann:pw@db/app?sslcrl=SECRET", "sslcrl of libpq"),
            (
                "postgres://db/app?target_session_attrs=SECRET",
                "take writes",
            ),
            ("postgres://db/app?port=1,2", "1 hosts and 2 ports"),
            ("SECRET", "begin with postgres://"),
            ("postgres://ann:pw@db/app?sslmode=SECRET", "verify-full"),
            (
                "postgres://ann:pw@db/app?SECRET=1",
                "none of application_name",
            ),
            ("postgres://ann:pw@db/app?schema=SECRET", "1 to 63"),
            ("postgres://ann:pw@db/app?schema=pg_SECRET", "1 to 63"),
            ("postgres://ann:pw@db/app?sslcert=SECRET", "go together"),
            (
                "postgres://ann:pw@db/app?connect_timeout=SECRET",
                "number of seconds",
            ),
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
