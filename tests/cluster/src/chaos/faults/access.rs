//! Faults of access: users, rights and passwords change while nodes run.

use std::fs;
use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;

use super::{Fault, Heals, Made, ONE, ONE_SERVER, last};
use crate::chaos::deployment::{PASSWORD, USER};
use crate::chaos::seed::Seed;
use crate::chaos::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "rights-removed",
        family: "access",
        on: ONE,
        heals: Heals::Reached,
        make: rights_removed,
    },
    Fault {
        name: "password-rotated",
        family: "access",
        on: ONE_SERVER,
        heals: Heals::Reached,
        make: password_rotated,
    },
];

/// An operator removes a right of the user of the nodes, and grants it again.
fn rights_removed(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let right = *seed.pick(&["hset", "evalsha", "zadd", "time"]);
    let server = world.deployment.server()?;
    server.command(&["ACL", "SETUSER", USER, &format!("-{right}")])?;
    world.window(
        &format!("no right to {right}"),
        FaultKind::Other,
        None,
        |_| {
            last(Duration::from_secs(3));
            Ok(())
        },
    )?;
    let server = world.deployment.server()?;
    server.command(&["ACL", "SETUSER", USER, &format!("+{right}")])?;
    Ok(Made::now())
}

/// The password changes, on the server and then in the file; connections that
/// know the old one are closed. And back again.
fn password_rotated(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    for password in ["second", PASSWORD] {
        world.deployment.set_password(password)?;
        let time = seed.millis(100..=1_500);
        world.window("the password is another", FaultKind::Other, None, |_| {
            last(time);
            Ok(())
        })?;
        fs::write(
            &world.password_file,
            world.deployment.password_line(password),
        )?;
        world.wait_for_starts(2)?;
    }
    Ok(Made::now())
}
