//! A window of a browser, with a session of its own.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::chromedriver::Chromedriver;
use crate::http::send;
use crate::tools::programs;

/// The key under which WebDriver has the id of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a page may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// How the window looks.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Whether the system prefers dark pages.
    pub is_dark: bool,
    /// Whether pages may run scripts.
    pub has_scripts: bool,
}

impl Default for Look {
    fn default() -> Self {
        Look {
            width: 1280,
            height: 900,
            is_dark: false,
            has_scripts: true,
        }
    }
}

/// A browser with one window. Dropped, it ends.
pub struct Browser {
    driver: Chromedriver,
    session: String,
}

impl Browser {
    /// Starts a browser; call [`browser_is_there`](crate::browser_is_there) before.
    pub async fn start(look: Look) -> Self {
        Self::start_with(look, &[]).await
    }

    /// The same with more arguments of its command.
    pub async fn start_with(look: Look, more: &[&str]) -> Self {
        let programs = programs().expect("browser_is_there() was asked");
        let driver = Chromedriver::start(&programs).await;
        let arguments = [
            "--headless=new",
            // Root has no sandbox, and a container little shared memory.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            "--lang=en-US",
            "--remote-debugging-pipe",
        ];
        let options = json!({
            "binary": programs.browser,
            "args": arguments.iter().chain(more).collect::<Vec<_>>(),
            "prefs": { "webkit.webprefs.javascript_enabled": true },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let started = send(driver.port, "POST", "/session", &wanted)
            .await
            .expect("the browser starts");
        let session = started["sessionId"].as_str().expect("a session").to_owned();
        let browser = Browser { driver, session };
        browser.look(look).await;
        browser
    }

    /// Changes how the window looks.
    pub async fn look(&self, look: Look) {
        let metrics = json!({
            "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.command("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let scheme = if look.is_dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.command(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
        self.command(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": !look.has_scripts }),
        )
        .await;
        self.command(
            "Emulation.setTimezoneOverride",
            json!({ "timezoneId": "Europe/Berlin" }),
        )
        .await;
    }

    /// A command of Chromium's own protocol.
    pub async fn command(&self, name: &str, params: Value) -> Value {
        let body = json!({ "cmd": name, "params": params });
        self.post("/goog/cdp/execute", body).await.expect(name)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        send(
            self.driver.port,
            "POST",
            &format!("/session/{}{path}", self.session),
            &body,
        )
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        send(
            self.driver.port,
            "GET",
            &format!("/session/{}{path}", self.session),
            &Value::Null,
        )
        .await
    }

    /// Opens the address, and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await.expect(url);
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.post("/refresh", json!({}))
            .await
            .expect("loaded again");
    }

    /// The address of the page that is shown.
    pub async fn url(&self) -> String {
        let url = self.get("/url").await.expect("an address");
        url.as_str().unwrap_or_default().to_owned()
    }

    /// What a script returns; it runs in the page, also where pages may run none.
    pub async fn run(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.post("/execute/sync", body).await.expect(script)
    }

    /// What the promise of a script becomes.
    pub async fn wait_for_script(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; ({script}).then(done, (error) => done(String(error)));"
        );
        let body = json!({ "script": script, "args": [] });
        self.post("/execute/async", body).await.expect("a promise")
    }

    async fn ids(&self, css: &str) -> Result<Vec<String>, String> {
        let body = json!({ "using": "css selector", "value": css });
        let found = self.post("/elements", body).await?;
        let ids = found.as_array().into_iter().flatten();
        Ok(ids
            .filter_map(|found| Some(found[ELEMENT].as_str()?.to_owned()))
            .collect())
    }

    /// Does something with the first element of a selector, as soon as there is one, and it can be done: WebDriver
    /// refuses what a person could not do, such as to click on what is covered.
    async fn act(&self, css: &str, verb: &str, body: Value) {
        let mut reason = format!("nothing is {css}");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(id) = self.ids(css).await.expect(css).first() {
                match self
                    .post(&format!("/element/{id}/{verb}"), body.clone())
                    .await
                {
                    Ok(_) => return,
                    Err(error) => reason = error,
                }
            }
            tokio::time::sleep(POLL).await;
        }
        panic!("{reason}, on {}:\n{}", self.url().await, self.text().await);
    }

    /// Clicks on the first element of a selector.
    pub async fn click(&self, css: &str) {
        self.act(css, "click", json!({})).await;
    }

    /// Types into the first element of a selector.
    pub async fn type_into(&self, css: &str, text: &str) {
        self.act(css, "value", json!({ "text": text })).await;
    }

    /// How many elements a selector has now.
    pub async fn count(&self, css: &str) -> usize {
        self.ids(css).await.expect(css).len()
    }

    /// The text of the page, as it is shown; nothing while another page is loaded.
    pub async fn text(&self) -> String {
        let ids = self.ids("body").await.unwrap_or_default();
        let Some(body) = ids.first() else {
            return String::new();
        };
        let text = self
            .get(&format!("/element/{body}/text"))
            .await
            .unwrap_or_default();
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows this text.
    pub async fn shows(&self, text: &str) {
        self.until(text, async || self.text().await.contains(text))
            .await;
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            let is_over = Instant::now() >= deadline;
            assert!(
                !is_over,
                "not within {PATIENCE:?}: {what}, on {}:\n{}",
                self.url().await,
                self.text().await
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Presses keys, one behind the other, wherever the focus is.
    pub async fn press(&self, keys: &[&str]) {
        let presses = keys.iter().flat_map(|key| {
            [
                json!({ "type": "keyDown", "value": key }),
                json!({ "type": "keyUp", "value": key }),
            ]
        });
        let keyboard =
            json!({ "type": "key", "id": "keyboard", "actions": presses.collect::<Vec<_>>() });
        self.post("/actions", json!({ "actions": [keyboard] }))
            .await
            .expect("keys");
    }

    /// What the browser has to say of the pages: errors of scripts, and what the policy of content refused.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self
            .post("/se/log", json!({ "type": "browser" }))
            .await
            .expect("a log");
        let lines = log.as_array().into_iter().flatten();
        lines
            .map(|line| line["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The page as a PNG, up to this height.
    pub async fn picture(&self, width: u32, tallest: u32) -> Vec<u8> {
        let height = self
            .run("return Math.ceil(document.documentElement.getBoundingClientRect().height)")
            .await;
        let height = height.as_u64().unwrap_or_default().min(tallest.into());
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.command("Page.captureScreenshot", params).await;
        STANDARD
            .decode(picture["data"].as_str().expect("a picture"))
            .expect("base64")
    }
}
