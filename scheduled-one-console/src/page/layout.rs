//! The frame of every page.

use maud::{DOCTYPE, Markup, html};

use crate::assets::{SCRIPT, STYLE};
use crate::gate::Visitor;

/// The parts of the console, in the order of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Jobs,
    Timeline,
    Trail,
    Alerts,
    Cluster,
}

impl Section {
    const ALL: [Section; 5] = [
        Section::Jobs,
        Section::Timeline,
        Section::Trail,
        Section::Alerts,
        Section::Cluster,
    ];

    fn title(self) -> &'static str {
        match self {
            Section::Jobs => "Jobs",
            Section::Timeline => "Timeline",
            Section::Trail => "Trail",
            Section::Alerts => "Alerts",
            Section::Cluster => "Cluster",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Section::Jobs => "",
            Section::Timeline => "timeline",
            Section::Trail => "trail",
            Section::Alerts => "alerts",
            Section::Cluster => "cluster",
        }
    }
}

/// What the frame of a page needs.
pub(crate) struct Layout<'a> {
    pub(crate) visitor: &'a Visitor,
    /// What the console calls the cluster; may be empty.
    pub(crate) cluster: &'a str,
    pub(crate) section: Section,
    pub(crate) title: &'a str,
    /// The page follows the store.
    pub(crate) is_live: bool,
    /// The query of the events that the page follows.
    pub(crate) events: &'a str,
    /// When the page was made.
    pub(crate) now_ms: i64,
}

impl Layout<'_> {
    /// The page with this content.
    pub(crate) fn page(&self, content: Markup) -> Markup {
        let mount = &self.visitor.mount;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · " (if self.cluster.is_empty() { "scheduled-one" } else { self.cluster }) }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href={ (mount) "/assets/" (STYLE.name) };
                    script src={ (mount) "/assets/" (SCRIPT.name) } {}
                }
                body {
                    a.skip href="#content" { "To the content" }
                    (self.bar())
                    main #content tabindex="-1" data-now=(self.now_ms) {
                        @match self.is_live {
                            true => div data-live={ (mount) "/events" (self.events) } { (content) },
                            false => (content),
                        }
                    }
                    footer { "scheduled-one " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    }

    fn bar(&self) -> Markup {
        let mount = &self.visitor.mount;
        html! {
            header.bar {
                a.brand href={ (mount) "/" } {
                    svg viewBox="0 0 20 20" aria-hidden="true" {
                        circle cx="10" cy="10" r="8" fill="none" stroke="currentColor" stroke-width="2.4" {}
                        path d="M8 7.2l2.4-1.6v9" fill="none" stroke="currentColor" stroke-width="2.4"
                            stroke-linecap="round" stroke-linejoin="round" {}
                    }
                    "scheduled-one"
                }
                @if !self.cluster.is_empty() { span.namespace { (self.cluster) } }
                nav aria-label="Console" {
                    ul {
                        @for section in Section::ALL {
                            li {
                                a href={ (mount) "/" (section.path()) }
                                    aria-current=[(section == self.section).then_some("page")] { (section.title()) }
                            }
                        }
                    }
                }
                div.who {
                    span { (self.visitor.user.name) }
                    @if self.is_live { span data-live-switch {} }
                    span data-theme-switch {}
                }
            }
        }
    }
}
