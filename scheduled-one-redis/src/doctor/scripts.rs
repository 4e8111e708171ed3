//! The finding about the scripts of the store, which were tried.

use scheduled_one_protocol::{Finding, Severity};

use crate::connect_error::ConnectError;
use crate::doctor::facts::{Facts, ScriptResult, ScriptsRefused};
use crate::doctor::{Check, Diagnosis};

/// Where users find servers and services by what they run.
const TABLE: &str = "docs/redis-compatibility.md lists servers and services";

/// Scripts recognize a server that restarted or failed over by its `INFO`, so they have to run and to read it.
pub(super) fn scripts(facts: &Facts) -> Diagnosis {
    if let Some(error) = refusal(&facts.script, &facts.address, &facts.user, &facts.rule) {
        return Diagnosis::refused(Check::Scripts, error);
    }
    match &facts.script {
        ScriptResult::Unknown => Finding::new(
            Severity::Info,
            Check::Scripts.name(),
            "whether the scripts of the scheduler run could not be tried",
            "",
        )
        .into(),
        _ => Finding::ok(
            Check::Scripts.name(),
            "the scheduler's scripts run, and see which process serves them, so a restart is noticed",
        )
        .into(),
    }
}

/// The error of a server that does not run the scripts. `user` and `rule` are for one whose ACL forbids it.
pub(crate) fn refusal(
    result: &ScriptResult,
    address: &str,
    user: &str,
    rule: &str,
) -> Option<ConnectError> {
    let (why, remedy) = match result {
        ScriptResult::Serving(_) | ScriptResult::Unknown => return None,
        ScriptResult::Nameless => (
            "INFO has neither run_id nor master_replid in scripts there, so a restart that forgot which ticks have \
             run would not be noticed"
                .to_owned(),
            format!("use Redis or Valkey; {TABLE}"),
        ),
        ScriptResult::Refused(refused) => cause_and_remedy(refused, user, rule),
    };
    Some(ConnectError::ScriptsRefused {
        place: address.to_owned(),
        why,
        remedy,
    })
}

fn cause_and_remedy(refused: &ScriptsRefused, user: &str, rule: &str) -> (String, String) {
    let ScriptsRefused { why, commands, .. } = refused;
    let (cause, remedy) = if refused.denied {
        let cause = "the rights of the user forbid it".to_owned();
        return (
            format!("{cause} ({why})"),
            format!("ACL SETUSER {user} {rule}"),
        );
    } else if refused.runs_none {
        (
            "no script runs there".to_owned(),
            "use a Redis or Valkey that runs Lua scripts".to_owned(),
        )
    } else if !commands.is_empty() {
        let cause = format!(
            "scripts may not call {} there, and the scheduler's scripts have to",
            commands.join(", ")
        );
        let remedy = "do not rename it, and use a server or a service whose scripts may call it";
        (cause, remedy.to_owned())
    } else if refused.form {
        (
            "a proxy checks the text of scripts there, and refuses those that have another name for redis.call or a \
             key in a variable"
                .to_owned(),
            "switch that check off (Alibaba Cloud: set script_check_enable to 0), or connect without the proxy"
                .to_owned(),
        )
    } else {
        (
            "a script of the scheduler does not run there".to_owned(),
            "use Redis or Valkey".to_owned(),
        )
    };
    (format!("{cause} ({why})"), format!("{remedy}; {TABLE}"))
}
