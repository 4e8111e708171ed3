//! Names of time zones that do not exist, and what to write instead.
//!
//! A wrong guess is worse than none: it compiles, and the job runs hours off. So a guess is the zone that a city
//! is in, or a name that differs by a slip of the keyboard; everything else gets examples only.

use crate::error::{ScheduleError, ScheduleErrorKind, quote};
use crate::spelling::distance;
use crate::zone_names::{ABBREVIATIONS, AREAS, NEIGHBOURS, OTHER_AREAS, PLACES};

/// The error for a name that is none of `names`.
pub(crate) fn unknown_zone(name: &str, names: &[String]) -> ScheduleError {
    let message = format!("there is no time zone {}", quote(name));
    let help = match suggest(name, names) {
        Some(names) => format!("did you mean {names}?"),
        None => "use an IANA name, such as `Asia/Shanghai`, `Europe/Berlin` or `UTC`".to_owned(),
    };
    ScheduleError::new(ScheduleErrorKind::Zone, message).with_help(help)
}

/// The names to offer, as text.
fn suggest(name: &str, names: &[String]) -> Option<String> {
    /// Longer than any zone's name: bounds the work below.
    const NAME_MAX: usize = 64;
    /// More names are no help.
    const OFFERED_MAX: usize = 3;
    let wanted = plain(name);
    if wanted.is_empty() || wanted.len() > NAME_MAX {
        return None;
    }
    if let Some(offset) = suggest_for_offset(&wanted) {
        return Some(offset);
    }
    let found = find(&wanted, names);
    match &found[..] {
        [] => None,
        [only] => Some(quote(only)),
        [first @ .., last] if found.len() <= OFFERED_MAX => {
            let first: Vec<_> = first.iter().map(|name| quote(name)).collect();
            Some(format!("{} or {}", first.join(", "), quote(last)))
        }
        _ => None,
    }
}

/// The zones that a plain text may mean, by the surest rule that finds any.
fn find<'a>(wanted: &str, names: &'a [String]) -> Vec<&'a str> {
    let names: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), plain(name)))
        .collect();
    let named = |wanted: &str| {
        names
            .iter()
            .find(|(_, plain)| plain == wanted)
            .map(|it| it.0)
    };
    if let Some(zone) = named(wanted) {
        return vec![zone];
    }
    if let Some((_, zones)) = ABBREVIATIONS.iter().find(|(short, _)| *short == wanted) {
        return zones
            .split(' ')
            .filter_map(|zone| named(&plain(zone)))
            .collect();
    }
    let (area, city) = match wanted.rsplit_once('/') {
        Some((area, city)) => (area.split('/').next(), city),
        None => (None, wanted),
    };
    let by_city = names
        .iter()
        .filter(|(_, zone)| last_part(zone) == city && is_near(area, zone))
        .map(|it| it.0);
    let by_place = PLACES
        .iter()
        .map(|(zone, cities)| (plain(zone), cities))
        .filter(|(zone, cities)| {
            is_near(area, zone) && cities.split_whitespace().any(|it| it == city)
        })
        .filter_map(|(zone, _)| named(&zone));
    let found: Vec<_> = by_city.chain(by_place).collect();
    if !found.is_empty() {
        return found;
    }
    let slips: Vec<_> = names
        .iter()
        .filter(|(_, zone)| is_in(area, zone))
        .filter_map(|(name, zone)| Some((slips(city, last_part(zone), area.is_some())?, *name)))
        .collect();
    let fewest = slips.iter().map(|(slips, _)| slips).min();
    let nearest = slips.iter().filter(|(slips, _)| Some(slips) == fewest);
    nearest.map(|(_, name)| *name).collect()
}

/// True if a zone may be in the area that somebody wrote, if any: by a slip, or by another name.
fn is_in(written: Option<&str>, zone: &str) -> bool {
    let (area, _) = zone.split_once('/').unwrap_or_default();
    match written {
        None => AREAS.contains(&area),
        Some(written) if written == area => true,
        Some(written) if AREAS.contains(&written) => false,
        Some(written) => {
            OTHER_AREAS.contains(&(written, area)) || distance(written, area) <= written.len() / 3
        }
    }
}

/// True if a zone of a certain city may be in the area that somebody wrote: also across a border.
fn is_near(written: Option<&str>, zone: &str) -> bool {
    let across = |(a, b)| written == Some(a) && zone.split('/').next() == Some(b);
    written.is_none()
        || is_in(written, zone)
        || NEIGHBOURS
            .iter()
            .any(|(a, b)| across((*a, *b)) || across((*b, *a)))
}

/// The number of slips of the keyboard between two words, if it is small enough for one to be meant for the other.
///
/// Measured on the 6,000 largest cities: with two slips in a word of seven letters, Nampula becomes Kampala, and
/// with another first letter, Lublin becomes Dublin.
fn slips(city: &str, zone: &str, area_given: bool) -> Option<usize> {
    let most = match city.len() {
        0..=4 => 0,
        8.. if area_given => 2,
        5..=6 if !area_given => 0,
        _ => 1,
    };
    let same_first = city.bytes().next() == zone.bytes().next();
    let swapped = city.len() == zone.len() && distance(city, zone) == 1 && {
        let sorted = |word: &str| {
            let mut letters: Vec<_> = word.bytes().collect();
            letters.sort_unstable();
            letters
        };
        sorted(city) == sorted(zone)
    };
    if swapped && area_given {
        return Some(1);
    }
    (same_first && city.len().abs_diff(zone.len()) <= most)
        .then(|| distance(city, zone))
        .filter(|slips| *slips <= most)
}

/// Lower case, without accents, words joined by `_`.
fn plain(name: &str) -> String {
    // A hyphen is a sign before a number, as in `Etc/GMT-8`.
    let hyphen = if name.contains(|c: char| c.is_ascii_digit()) {
        ' '
    } else {
        '-'
    };
    let words = name.trim().split([' ', '_', hyphen]);
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let joined = words.join("_").replace('.', "").to_lowercase();
    let letter = |c| match c {
        'á' | 'à' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' | 'ı' => 'i',
        'ñ' | 'ń' => 'n',
        'ó' | 'ò' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ł' => 'l',
        'ś' | 'š' => 's',
        'ź' | 'ż' | 'ž' => 'z',
        _ => c,
    };
    joined.chars().map(letter).collect()
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// `UTC+8`, `+08:00`: whole hours have a zone, whose sign is the other way round (POSIX).
fn suggest_for_offset(wanted: &str) -> Option<String> {
    let offset = wanted.trim_start_matches("utc").trim_start_matches("gmt");
    let (sign, most, hours) = match offset.split_at_checked(1)? {
        ("+", hours) => ('-', 14, hours),
        ("-", hours) => ('+', 12, hours),
        _ => return None,
    };
    let hours = match hours.split_once(':') {
        Some((hours, "00")) => hours,
        Some(_) => return None,
        None if hours.len() == 4 => hours.strip_suffix("00")?,
        None => hours,
    };
    let hours: u8 = hours.parse().ok().filter(|hours| *hours <= most)?;
    if hours == 0 {
        return Some("`UTC`".to_owned());
    }
    Some(format!(
        "`Etc/GMT{sign}{hours}` (its sign is turned round) or a city's zone"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone_data::ZoneData;

    #[test]
    fn every_place_and_abbreviation_leads_to_its_row() {
        let names = ZoneData::compiled_in().names();
        for (zone, cities) in PLACES {
            for city in cities.split_whitespace() {
                assert_eq!(plain(city), city, "written as it is looked up");
                let zone_text = plain(zone);
                let (area, _) = zone_text.split_once('/').expect("an area");
                let found = find(&format!("{area}/{city}"), &names);
                assert!(found.contains(&zone), "{area}/{city}: {found:?}");
            }
        }
        for (short, zones) in ABBREVIATIONS {
            assert_eq!(plain(short), short, "written as it is looked up");
            assert_eq!(find(short, &names), zones.split(' ').collect::<Vec<_>>());
        }
    }
}
