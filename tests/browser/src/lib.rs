//! A real browser for the tests of the console: Chromium, driven by chromedriver through the WebDriver protocol.
//!
//! Both come from Debian: `apt-get install chromium chromium-driver`. `CHROMEDRIVER` and `CHROMIUM` name others.
//! Without them a test says so, and ends. A client of its own, because what is needed of WebDriver is a dozen requests.

mod browser;
mod chromedriver;
mod http;
mod tools;

pub use browser::{Browser, Look};
pub use tools::{axe, browser_is_there};
