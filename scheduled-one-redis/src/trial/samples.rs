//! Short scripts, which show what a server refuses about the real ones: its error names no command and no form.

use deadpool_redis::redis::{Pipeline, RedisError, Value, cmd};

use crate::doctor::ScriptsRefused;
use crate::keys::Keys;
use crate::trial::requests::delete;

/// A call of each command of the scripts, alone in a script.
const COMMANDS: [(&str, &str); 16] = [
    ("INFO", "return redis.call('INFO', 'server')"),
    ("TIME", "return redis.call('TIME')"),
    ("TYPE", "return redis.call('TYPE', KEYS[1])"),
    ("HMGET", "return redis.call('HMGET', KEYS[1], 'a')"),
    ("HSET", "return redis.call('HSET', KEYS[1], 'a', '1')"),
    ("HGETALL", "return redis.call('HGETALL', KEYS[1])"),
    ("HKEYS", "return redis.call('HKEYS', KEYS[1])"),
    ("HEXISTS", "return redis.call('HEXISTS', KEYS[1], 'a')"),
    ("HDEL", "return redis.call('HDEL', KEYS[1], 'a')"),
    ("DEL", "return redis.call('DEL', KEYS[3])"),
    ("ZADD", "return redis.call('ZADD', KEYS[2], '1', 'a')"),
    ("ZREM", "return redis.call('ZREM', KEYS[2], 'a')"),
    (
        "ZREMRANGEBYSCORE",
        "return redis.call('ZREMRANGEBYSCORE', KEYS[2], '1', '1')",
    ),
    (
        "ZRANGEBYSCORE",
        "return redis.call('ZRANGEBYSCORE', KEYS[2], '1', '1')",
    ),
    (
        "XADD",
        "return redis.call('XADD', KEYS[3], 'NOMKSTREAM', '*', 'a', '1')",
    ),
    (
        "XREVRANGE",
        "return redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)",
    ),
];

/// Scripts that use another name for `redis.call` and a variable for a key, as those of the store do.
const FORMS: [&str; 2] = [
    "local call = redis.call return call('TYPE', KEYS[1])",
    "local key = KEYS[1] return redis.call('TYPE', key)",
];

/// Calls the short scripts, and deletes their keys.
pub(super) fn samples(keys: &Keys) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for text in COMMANDS.iter().map(|(_, text)| text).chain(&FORMS) {
        let mut eval = cmd("EVAL");
        eval.arg(text)
            .arg(3)
            .arg(&[&keys.meta, &keys.leases, &keys.probe]);
        pipeline.add_command(eval);
    }
    pipeline.add_command(delete(keys)).ignore_errors();
    pipeline
}

/// Notes what the server refuses about the short scripts.
pub(super) fn note_samples(refusal: &mut ScriptsRefused, replies: &[Result<Value, RedisError>]) {
    let (commands, forms) = replies.split_at(COMMANDS.len().min(replies.len()));
    let named = COMMANDS.iter().zip(commands);
    refusal.commands = named
        .filter(|(_, reply)| reply.is_err())
        .map(|((name, _), _)| *name)
        .collect();
    refusal.runs_none = refusal.commands.len() == COMMANDS.len();
    refusal.form = forms.iter().take(FORMS.len()).any(Result::is_err);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script;

    #[test]
    fn every_command_of_the_scripts_has_a_sample() {
        for operation in script::all() {
            let calls = operation.text().split("call('").skip(1);
            for command in calls.filter_map(|call| call.split('\'').next()) {
                let known = COMMANDS.iter().any(|(name, _)| *name == command);
                assert!(known, "{} calls {command}", operation.name);
            }
        }
    }

    /// Services are chosen by that list.
    #[test]
    fn every_command_of_the_scripts_is_documented() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../docs/redis-compatibility.md"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let (_, list) = text.split_once("- Run Lua scripts").unwrap();
        let (list, _) = list.split_once("\n- ").unwrap();
        for (command, _) in COMMANDS {
            assert!(list.contains(&format!("`{command}`")), "{command}: {list}");
        }
    }
}
