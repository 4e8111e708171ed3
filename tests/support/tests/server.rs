//! The handle to a server, with a real Redis: starts, freezes, kills, restarts, logins and clean-up.

use std::env;
use std::io;
use std::net::TcpStream;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};
use test_support::{RedisServer, Tls, wait_until, wait_until_async};

const BOUND: Duration = Duration::from_secs(10);

#[test]
fn starts_empty_and_answers() {
    let redis = RedisServer::start().unwrap();
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{}", redis.port()));
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG");
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "0");
    assert_eq!(redis.command(&["CONFIG", "GET", "save"]).unwrap(), "save\n");
    let info = redis.command(&["INFO", "server"]).unwrap();
    let pid = redis.pid().unwrap();
    assert!(
        info.contains(&format!("process_id:{pid}\r\n")),
        "pid() is Redis itself, no wrapper"
    );

    redis.command(&["SET", "key", "value"]).unwrap();
    redis.flush().unwrap();
    assert_eq!(redis.command(&["GET", "key"]).unwrap(), "(nil)");
    let error = redis.command(&["GET"]).unwrap_err();
    assert!(
        error.to_string().contains("wrong number of arguments"),
        "{error}"
    );
}

#[test]
fn a_frozen_server_is_silent_until_thawed() {
    let redis = RedisServer::start().unwrap();
    redis.freeze().unwrap();
    redis.freeze().unwrap(); // a second time changes nothing, and must not wait for a second stop
    let answer = thread::scope(|scope| {
        let answer = scope.spawn(|| redis.command(&["PING"]));
        thread::sleep(Duration::from_millis(100)); // time in which a live server would have answered
        assert!(!answer.is_finished(), "a frozen server answered");
        redis.thaw().unwrap();
        answer.join().unwrap()
    });
    assert_eq!(
        answer.unwrap(),
        "PONG",
        "what came in while frozen is answered afterwards"
    );

    redis.freeze().unwrap();
    redis.thaw().unwrap();
    assert_eq!(
        redis.command(&["PING"]).unwrap(),
        "PONG",
        "freezes more than once"
    );
}

#[test]
fn a_killed_server_is_gone_until_restarted() {
    let redis = RedisServer::start().unwrap();
    let (port, pid) = (redis.port(), redis.pid().unwrap());
    redis.command(&["SET", "key", "value"]).unwrap();
    let open = TcpStream::connect(("127.0.0.1", port)).unwrap();

    redis.kill().unwrap();
    assert!(!is_alive(pid));
    assert_eq!(redis.pid(), None);
    assert_eq!(
        redis.command(&["PING"]).unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
    assert_eq!(
        redis.kill().unwrap_err().kind(),
        io::ErrorKind::NotConnected
    );
    assert_eq!(
        redis.freeze().unwrap_err().kind(),
        io::ErrorKind::NotConnected
    );

    redis.restart().unwrap(); // with `open` still holding its half of a connection to that port
    assert_eq!(redis.port(), port);
    assert_ne!(redis.pid(), Some(pid));
    assert_eq!(redis.command(&["GET", "key"]).unwrap(), "(nil)");
    drop(open);
}

#[test]
fn restarts_a_running_and_a_frozen_server() {
    let redis = RedisServer::start().unwrap();
    let first = redis.pid().unwrap();
    redis.restart().unwrap();
    assert!(!is_alive(first));
    redis.freeze().unwrap();
    redis.restart().unwrap();
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG");
}

#[test]
fn restart_waits_for_its_port() {
    let redis = RedisServer::start().unwrap();
    redis.kill().unwrap();
    let thief = std::net::TcpListener::bind(("127.0.0.1", redis.port())).unwrap();
    thread::scope(|scope| {
        let restart = scope.spawn(|| redis.restart());
        thread::sleep(Duration::from_millis(300)); // a few attempts in vain
        assert!(!restart.is_finished(), "restarted on a port that is taken");
        drop(thief);
        restart.join().unwrap().unwrap();
    });
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG");
}

#[test]
fn data_survive_a_restart_when_persisted() {
    let redis = RedisServer::options()
        .args(["--appendonly", "yes", "--appendfsync", "always"])
        .start()
        .unwrap();
    redis.command(&["SET", "key", "value"]).unwrap();
    redis.kill().unwrap();
    redis.restart().unwrap();
    assert_eq!(redis.command(&["GET", "key"]).unwrap(), "value");
}

#[test]
fn a_given_data_folder_outlives_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let start = || RedisServer::options().data_dir(dir.path()).start().unwrap();
    let first = start();
    first.command(&["SET", "key", "value"]).unwrap();
    first.command(&["SAVE"]).unwrap();
    drop(first);
    assert_eq!(start().command(&["GET", "key"]).unwrap(), "value");
}

#[test]
fn two_servers_know_nothing_of_each_other() {
    let (one, two) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    assert_ne!(one.port(), two.port());
    one.command(&["SET", "key", "one"]).unwrap();
    assert_eq!(two.command(&["GET", "key"]).unwrap(), "(nil)");
    one.kill().unwrap();
    assert_eq!(two.command(&["PING"]).unwrap(), "PONG");
}

#[test]
fn a_password_is_required_and_carried() {
    let redis = RedisServer::options().password("letmein").start().unwrap();
    assert_eq!(
        redis.url(),
        format!("redis://:letmein@127.0.0.1:{}", redis.port())
    );
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG");
    assert!(!format!("{redis:?}").contains("letmein"));
}

#[test]
fn logs_in_as_a_user_of_an_acl_file() {
    let dir = tempfile::tempdir().unwrap();
    let acl = dir.path().join("users.acl");
    std::fs::write(&acl, "user default off\nuser ann on >secret ~* +@all\n").unwrap();
    let redis = RedisServer::options()
        .arg("--aclfile")
        .arg(&acl)
        .login("ann", "secret")
        .start()
        .unwrap();
    assert_eq!(
        redis.url(),
        format!("redis://ann:secret@127.0.0.1:{}", redis.port())
    );
    assert_eq!(redis.command(&["ACL", "WHOAMI"]).unwrap(), "ann");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let error = RedisServer::options()
        .args(["--no-such-option", "1"])
        .start()
        .unwrap_err();
    assert!(error.to_string().contains("no-such-option"), "{error}");

    let tls = Tls {
        cert: "/no/cert".into(),
        key: "/no/key".into(),
        ca: "/no/ca".into(),
    };
    let error = RedisServer::options().tls(tls).start().unwrap_err();
    assert!(error.to_string().contains("/no/cert"), "{error}");
}

#[test]
fn drop_kills_the_process_and_removes_its_folder() {
    let redis = RedisServer::start().unwrap();
    let (pid, dir) = (redis.pid().unwrap(), folder(&redis));
    redis.freeze().unwrap();
    assert!(is_alive(pid) && dir.exists());
    drop(redis);
    assert!(!is_alive(pid));
    assert!(!dir.exists());
}

#[test]
fn a_panic_leaves_nothing_behind() {
    let seen = Mutex::new(None);
    let result = panic::catch_unwind(|| {
        let redis = RedisServer::start().unwrap();
        *seen.lock().unwrap() = redis.pid();
        panic!("as a failing test does");
    });
    assert!(result.is_err());
    assert!(!is_alive(seen.lock().unwrap().unwrap()));
}

#[test]
fn outlives_the_thread_that_started_it() {
    let redis = thread::spawn(RedisServer::start).join().unwrap().unwrap();
    assert_eq!(redis.command(&["PING"]).unwrap(), "PONG");
}

/// Starts this test executable again, which starts a server and is then killed with no chance to
/// clean up.
#[test]
fn does_not_outlive_a_killed_test_process() {
    const NOTE: &str = "TEST_SUPPORT_NOTE";
    if let Ok(note) = env::var(NOTE) {
        let redis = RedisServer::start().unwrap();
        let line = format!("{} {}", redis.pid().unwrap(), folder(&redis).display());
        // Frozen is the hard case: such a server cannot notice anything by itself.
        redis.freeze().unwrap();
        std::fs::write(format!("{note}.new"), line).unwrap();
        std::fs::rename(format!("{note}.new"), note).unwrap();
        thread::sleep(BOUND * 6);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let note = dir.path().join("note");
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "does_not_outlive_a_killed_test_process"])
        .env(NOTE, &note)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the other process has started its server", BOUND, || {
        note.exists()
    });
    let line = std::fs::read_to_string(&note).unwrap();
    let (pid, folder) = line.split_once(' ').unwrap();
    let pid = pid.parse().unwrap();
    assert!(is_alive(pid));
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until("the orphan is dead", BOUND, || !is_alive(pid));
    wait_until("its folder is gone", BOUND, || !Path::new(folder).exists());
}

#[test]
fn a_wait_ends_with_the_condition_or_says_what_it_waited_for() {
    let mut looks = 0;
    wait_until("the third look", BOUND, || {
        looks += 1;
        looks == 3
    });
    assert_eq!(looks, 3);

    let panic = panic::catch_unwind(|| {
        wait_until("pigs fly", Duration::from_millis(30), || false);
    });
    let text = panic.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(*text, "waited 30ms in vain until pigs fly");
}

#[tokio::test]
async fn an_async_wait_ends_with_the_condition() {
    let mut looks = 0;
    wait_until_async("the third look", BOUND, async || {
        looks += 1;
        looks == 3
    })
    .await;
    assert_eq!(looks, 3);
}

#[tokio::test]
async fn an_async_wait_ends_even_if_a_look_hangs() {
    let started = Instant::now();
    let waiting = tokio::spawn(wait_until_async(
        "pigs fly",
        Duration::from_millis(30),
        async || std::future::pending().await,
    ));
    let panic = waiting
        .await
        .unwrap_err()
        .into_panic()
        .downcast::<String>()
        .unwrap();
    assert!(
        panic.starts_with("waited 30ms in vain until pigs fly (at "),
        "{panic}"
    );
    assert!(
        panic.contains("server.rs"),
        "the place of the call: {panic}"
    );
    assert!(started.elapsed() < BOUND);
}

/// The folder of a server's own, as Redis itself sees it.
fn folder(redis: &RedisServer) -> PathBuf {
    let answer = redis
        .command(&["CONFIG", "GET", "dir"])
        .expect("a running server");
    PathBuf::from(answer.strip_prefix("dir\n").expect("name, then value"))
}

/// Whether a process runs. One that has exited and that nobody has reaped yet does not: an orphan
/// is reaped by process 1, and that of a container may never do it.
fn is_alive(pid: u32) -> bool {
    let id = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("process ids are small");
    let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    });
    test_kill_process(id).is_ok() && !zombie
}
