//! Channels have names of their own.

use super::*;
use crate::Slack;

#[test]
fn no_two_channels_have_one_name() {
    let names = |given: &[&str]| {
        let slack = |name: &str| Slack::new("https://hooks.example/a").named(name);
        let alerts = given
            .iter()
            .fold(Alerts::new(Rules::default()), |alerts, name| {
                alerts.notify(slack(name))
            });
        alerts.channels()
    };
    assert_eq!(names(&["slack", "slack"]), ["slack", "slack-2"]);
    assert_eq!(
        names(&["slack-2", "slack", "slack"]),
        ["slack-2", "slack", "slack-3"]
    );
    assert_eq!(
        names(&["slack", "slack", "slack-2"]),
        ["slack", "slack-3", "slack-2"]
    );
    assert_eq!(names(&["slack-old", "slack"]), ["slack-old", "slack"]);
}
