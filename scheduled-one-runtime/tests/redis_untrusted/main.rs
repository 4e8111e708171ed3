//! Payloads in Redis are untrusted: whatever stands in the keys of a namespace,
//! no node panics, the job concerned reports an error that names the key and the
//! way out, and the others go on.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod damage;
mod records;
mod rubbish;
mod world;

use std::time::Duration;

use deadpool_redis::redis;

use rubbish::{Damage, Rng};
use world::World;

const BOUND: Duration = Duration::from_secs(60);

/// All that can be done to one job, to many jobs at a time.
#[tokio::test(flavor = "multi_thread")]
async fn one_job_is_damaged_and_the_others_go_on() {
    let mut world = World::start("one").await;
    let (mut damaged, mut stood_still) = (0, 0);
    for batch in Damage::all(&mut Rng(3)).chunks(world.victims().len()) {
        let victims: Vec<String> = world.victims()[..batch.len()].to_vec();
        let before = world.runs();
        let mut pipe = redis::pipe();
        for (victim, damage) in victims.iter().zip(batch) {
            pipe.add_command(damage.command("one", victim));
        }
        let () = pipe.query_async(&mut world.raw).await.unwrap();
        world.the_others_go_on().await;
        let mut refused = Vec::new();
        for victim in victims {
            if let Some(error) = world.heals_or_says_why(&victim, &before).await {
                world.is_clear(&victim, &error);
                refused.push(victim);
            }
        }
        damaged += batch.len();
        stood_still += refused.len();
        world.delete_keys_of(&refused).await;
        world.go_on(&refused).await;
    }
    println!("{damaged} damages: {stood_still} refused, the others healed");
    assert!(stood_still * 3 > damaged && stood_still < damaged);
    // Each stood still for some ten seconds.
    world.end(stood_still..=6 * stood_still).await;
}

/// What all jobs depend on: it heals, or all say what is wrong; and no tick is
/// run twice because of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_is_damaged_and_heals_or_says_why() {
    let mut world = World::start("all").await;
    let mut rng = Rng(5);
    for field in ["ver", "rid", "qs", "q"] {
        for value in [rng.bytes(9), b"-1".to_vec(), b"9007199254740000".to_vec()] {
            world
                .command("HSET", "meta", &[field.as_bytes(), &value])
                .await;
            if field == "ver" && value.len() == 16 {
                world.all_say("version 9007199254740000").await;
                world.command("DEL", "meta", &[]).await;
            }
            world.the_others_go_on().await;
        }
    }
    for key in ["meta", "leases", "ready"] {
        world.command("DEL", key, &[]).await;
        world.command("SET", key, &[b"x"]).await;
        world.all_say(&world.key(key)).await;
        world.log_says("store lost", &world.key(key)).await;
        world.command("DEL", key, &[]).await;
        world.the_others_go_on().await;
    }
    // Nobody needs to know who lives, but it is told.
    world.command("DEL", "nodes", &[]).await;
    world.command("SET", "nodes", &[b"x"]).await;
    world.the_others_go_on().await;
    world.log_says("store refuses a request", ":nodes").await;
    world.command("DEL", "nodes", &[]).await;
    for key in ["leases", "ready", "nodes"] {
        for score in ["-inf", "0", "+inf"] {
            for _ in 0..100 {
                let name = rng.bytes(20);
                world.command("ZADD", key, &[score.as_bytes(), &name]).await;
            }
        }
    }
    world.the_others_go_on().await;
    let most = 6 * world.victims().len();
    world.end(1..=most).await;
}
