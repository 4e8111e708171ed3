//! The options at the end of a URL, behind `?`: those that mean something here, and what to write instead of those of
//! other clients.

use crate::url::BadUrl;
use crate::url::characters::decode;
use crate::url::parse::{Kind, bad};

/// The options of a URL.
#[derive(Default)]
pub(super) struct Query {
    pub(super) db: Option<u32>,
    /// Login of a server behind a socket, whose URL has no other place for it.
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) sentinel_user: Option<String>,
    pub(super) sentinel_password: Option<String>,
}

/// Options of other clients, and what to write instead.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &["user", "username", "password", "pass", "auth"],
        "write the login before the host, as user:password@",
    ),
    (
        &[
            "sentinel_user",
            "sentinel_password",
            "sentinelusername",
            "sentinelpassword",
        ],
        "it is for redis+sentinel://, as sentinel_user and sentinel_password",
    ),
    (
        &[
            "sentinelservicename",
            "sentinelmasterid",
            "master_name",
            "mastername",
            "service_name",
        ],
        "write the name of the master behind the hosts, as in redis+sentinel://one,two,three/mymaster",
    ),
    (
        &["ssl", "tls", "use_ssl"],
        "write rediss:// for TLS, redis:// without",
    ),
    (
        &[
            "ssl_cert_reqs",
            "ssl_check_hostname",
            "skip_verify",
            "insecure",
            "sslverify",
            "verify_mode",
            "verifypeer",
        ],
        "certificates are verified; the option `tls_ca_file` names an authority, and \
         `danger_accept_any_certificate` accepts any certificate",
    ),
    (
        &[
            "ssl_ca_certs",
            "ssl_ca_path",
            "ssl_ca_data",
            "tls_ca_file",
            "cafile",
            "cacert",
        ],
        "give the file to the option `tls_ca_file`",
    ),
    (
        &[
            "ssl_certfile",
            "ssl_keyfile",
            "ssl_password",
            "cert",
            "key",
            "certfile",
            "keyfile",
        ],
        "give both files to the option `tls_client_cert`",
    ),
    (
        &[
            "timeout",
            "connecttimeout",
            "connect_timeout",
            "socket_timeout",
            "socket_connect_timeout",
            "dial_timeout",
            "read_timeout",
            "write_timeout",
            "commandtimeout",
            "retry_on_timeout",
            "health_check_interval",
            "socket_keepalive",
            "max_retries",
        ],
        "leave it out: a call waits two seconds for its reply, and is repeated",
    ),
    (
        &[
            "max_connections",
            "pool_size",
            "poolsize",
            "maxpoolsize",
            "minpoolsize",
            "min_idle_conns",
            "pool_timeout",
            "max_idle_conns",
            "connection_limit",
        ],
        "leave it out: a node has two connections per bucket",
    ),
    (
        &[
            "client_name",
            "clientname",
            "libname",
            "decode_responses",
            "encoding",
            "key_prefix",
            "keyprefix",
        ],
        "leave it out: `namespace` and `node_name` of the builder distinguish services and nodes",
    ),
    (
        &[
            "addr",
            "replica",
            "read_from",
            "readfrom",
            "readpreference",
            "route_by_latency",
            "read_only",
        ],
        "leave it out: only a primary decides",
    ),
];

impl Query {
    /// Reads `name=value&…`. All options that cannot be used are named.
    pub(super) fn read(text: &str, kind: Kind, tls: bool) -> Result<Self, BadUrl> {
        let mut query = Query::default();
        let mut faults: Vec<String> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if let Err(fault) = query.set(&name, value, kind, tls)
                && !faults.contains(&fault)
            {
                faults.push(fault);
            }
        }
        match faults.is_empty() {
            true => Ok(query),
            false => Err(bad(&faults.join("; "))),
        }
    }

    fn set(&mut self, name: &str, value: String, kind: Kind, tls: bool) -> Result<(), String> {
        let at_socket = kind == Kind::Unix;
        match (name.to_ascii_lowercase().as_str(), value) {
            ("db" | "database", value) => match value.parse() {
                Ok(db) => self.db = Some(db),
                Err(_) => return Err("the option `db` is not a number".to_owned()),
            },
            ("user" | "username", value) if at_socket => self.user = some(value),
            ("pass" | "password", value) if at_socket => self.password = some(value),
            ("sentinel_user", value) if kind == Kind::Sentinel => self.sentinel_user = some(value),
            ("sentinel_password", value) if kind == Kind::Sentinel => {
                self.sentinel_password = some(value);
            }
            // Requests and replies are the same in both versions of Redis' protocol, so either preference is met.
            ("protocol", value)
                if matches!(&*value.to_ascii_lowercase(), "2" | "3" | "resp2" | "resp3") => {}
            ("ssl_cert_reqs", value) if tls && value.eq_ignore_ascii_case("required") => {}
            ("ssl_check_hostname", value) if tls && value.eq_ignore_ascii_case("true") => {}
            (name, _) => return Err(about(name)),
        }
        Ok(())
    }
}

fn some(value: String) -> Option<String> {
    Some(value).filter(|value| !value.is_empty())
}

/// What to write instead of an option. A name that no client is known to have is not repeated.
fn about(name: &str) -> String {
    let known = ELSEWHERE.iter().find(|(names, _)| names.contains(&name));
    match (known, name) {
        (Some((_, instead)), _) => format!("the option `{name}` is not for this URL: {instead}"),
        (None, "protocol") => "the option `protocol` is neither 2 nor 3: leave it out".to_owned(),
        (None, _) => "behind ? is an option that is not known here: db, protocol, and with redis+sentinel:// \
                      sentinel_user and sentinel_password are (in a password, ? is written %3F)"
            .to_owned(),
    }
}

/// What to write instead of a part behind `#`.
pub(super) fn about_fragment(fragment: &str, kind: Kind) -> String {
    if fragment.eq_ignore_ascii_case("insecure") {
        return format!("it ends with #insecure: {}", about("insecure"));
    }
    let of_kind = match kind {
        Kind::Sentinel => {
            "the name of the master stands behind the hosts, as in redis+sentinel://one,two,three/mymaster"
        }
        _ => "leave out what follows it",
    };
    format!(
        "it has the character '#' in it: {of_kind} (in a user name, a password or a path, # is written %23)"
    )
}
