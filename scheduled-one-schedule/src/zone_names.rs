//! Names that people write for time zones and that name none, with the zones they mean.

/// Cities and countries that people write and that name no zone, by the zone they are in. Lower case, words of a
/// name joined by `_`.
///
/// Source: the IANA's `zone.tab` and `backward` for countries and zones, GeoNames for cities. A name in two rows
/// is two cities, and both are offered.
pub(crate) const PLACES: [(&str, &str); 88] = [
    ("Africa/Cairo", "alexandria giza egypt"),
    (
        "Africa/Casablanca",
        "rabat marrakesh marrakech fes fez tangier agadir morocco",
    ),
    ("Africa/Accra", "kumasi ghana"),
    ("Africa/Addis_Ababa", "harar ethiopia"),
    ("Africa/Algiers", "oran algeria"),
    ("Africa/Douala", "yaounde cameroon"),
    (
        "Africa/Johannesburg",
        "cape_town pretoria durban soweto south_africa",
    ),
    ("Africa/Lagos", "abuja kano ibadan port_harcourt nigeria"),
    ("Africa/Nairobi", "mombasa kenya"),
    ("Africa/Dar_es_Salaam", "dodoma zanzibar tanzania"),
    ("America/Argentina/Buenos_Aires", "la_plata argentina"),
    ("America/Bogota", "medellin cali barranquilla colombia"),
    ("America/Caracas", "barcelona maracaibo valencia venezuela"),
    (
        "America/Chicago",
        "lewisville dallas houston austin san_antonio fort_worth minneapolis saint_paul milwaukee saint_louis st_louis \
         kansas_city new_orleans nashville memphis oklahoma_city tulsa omaha des_moines madison birmingham",
    ),
    (
        "America/Denver",
        "salt_lake_city albuquerque colorado_springs el_paso colorado utah",
    ),
    ("America/Edmonton", "calgary banff alberta"),
    ("America/Guayaquil", "quito"),
    ("America/Halifax", "nova_scotia"),
    ("America/Lima", "chiclayo cajamarca arequipa peru"),
    (
        "America/Los_Angeles",
        "san_francisco sf seattle washington san_diego san_jose las_vegas portland sacramento oakland silicon_valley \
         palo_alto mountain_view san_mateo fresno long_beach california nevada",
    ),
    ("America/Mexico_City", "guadalajara puebla queretaro cdmx"),
    (
        "America/New_York",
        "st_petersburg norfolk boston washington washington_dc atlanta miami philadelphia baltimore charlotte raleigh orlando tampa \
         jacksonville pittsburgh cleveland columbus cincinnati buffalo brooklyn manhattan newark \
         ashburn virginia georgia new_jersey",
    ),
    ("America/Phoenix", "tucson scottsdale arizona"),
    ("America/Santiago", "valparaiso"),
    (
        "America/Sao_Paulo",
        "vitoria rio_de_janeiro rio brasilia belo_horizonte curitiba porto_alegre campinas goiania florianopolis",
    ),
    ("America/Toronto", "ottawa quebec_city mississauga hamilton"),
    ("America/Vancouver", "victoria british_columbia burnaby"),
    ("America/Winnipeg", "manitoba"),
    ("Asia/Almaty", "astana nur_sultan kazakhstan"),
    ("Asia/Baghdad", "basra mosul erbil iraq"),
    ("Asia/Bangkok", "phuket chiang_mai thailand"),
    ("Asia/Colombo", "kandy sri_lanka"),
    ("Asia/Dhaka", "chittagong chattogram khulna bangladesh"),
    (
        "Asia/Dubai",
        "ajman abu_dhabi sharjah uae united_arab_emirates",
    ),
    (
        "Asia/Ho_Chi_Minh",
        "hanoi da_nang haiphong hue can_tho vietnam",
    ),
    ("Asia/Hong_Kong", "kowloon"),
    (
        "Asia/Jakarta",
        "dumai bandung surabaya medan semarang palembang bekasi",
    ),
    ("Asia/Jerusalem", "haifa beersheba"),
    (
        "Asia/Karachi",
        "lahore islamabad faisalabad rawalpindi peshawar multan hyderabad pakistan",
    ),
    ("Asia/Kathmandu", "pokhara nepal"),
    (
        "Asia/Kolkata",
        "mumbai bombay delhi new_delhi bangalore bengaluru chennai madras hyderabad pune ahmedabad surat jaipur \
         lucknow kanpur nagpur indore bhopal kochi cochin chandigarh coimbatore patna goa gurgaon gurugram noida \
         visakhapatnam thiruvananthapuram india",
    ),
    ("Asia/Kuala_Lumpur", "penang johor_bahru malaysia"),
    ("Asia/Makassar", "bali denpasar"),
    ("Asia/Manila", "quezon_city cebu davao makati philippines"),
    (
        "Asia/Riyadh",
        "jeddah mecca makkah medina madinah dammam saudi_arabia",
    ),
    (
        "Asia/Seoul",
        "busan incheon daegu daejeon gwangju ulsan south_korea korea",
    ),
    (
        "Asia/Shanghai",
        "beijing peking shenzhen guangzhou canton hangzhou nanjing wuhan chengdu tianjin suzhou xian qingdao \
         dalian shenyang xiamen ningbo hefei kunming jinan zhengzhou changsha fuzhou wuxi dongguan foshan \
         changchun china",
    ),
    ("Asia/Taipei", "kaohsiung taichung tainan hsinchu taiwan"),
    ("Asia/Tashkent", "uzbekistan"),
    ("Asia/Tehran", "mashhad isfahan esfahan shiraz tabriz karaj"),
    (
        "Asia/Tokyo",
        "kochi osaka kyoto yokohama nagoya sapporo fukuoka kobe hiroshima sendai kawasaki nagasaki",
    ),
    ("Asia/Yangon", "mandalay myanmar burma"),
    ("Australia/Brisbane", "gold_coast cairns"),
    ("Australia/Melbourne", "geelong"),
    ("Australia/Sydney", "wollongong"),
    (
        "Europe/Berlin",
        "munich munchen hamburg frankfurt cologne koln koeln stuttgart dusseldorf duesseldorf dortmund essen \
         leipzig dresden hannover hanover nuremberg nurnberg nuernberg bremen bonn karlsruhe germany deutschland",
    ),
    ("Europe/Istanbul", "ankara izmir bursa antalya adana"),
    ("Europe/Kyiv", "kharkiv lviv odesa odessa dnipro ukraine"),
    ("Europe/Lisbon", "porto braga"),
    (
        "Europe/London",
        "manchester birmingham liverpool leeds glasgow edinburgh bristol sheffield cardiff oxford \
         nottingham uk united_kingdom england scotland wales great_britain",
    ),
    (
        "Europe/Madrid",
        "cordoba granada barcelona valencia seville sevilla malaga bilbao zaragoza",
    ),
    (
        "Europe/Moscow",
        "saint_petersburg st_petersburg petersburg sochi nizhny_novgorod",
    ),
    (
        "Europe/Paris",
        "lyon marseille toulouse nice bordeaux lille nantes strasbourg grenoble france",
    ),
    ("Europe/Prague", "brno ostrava czechia czech_republic"),
    (
        "Europe/Rome",
        "milan milano naples napoli turin torino florence firenze bologna venice genoa palermo italy",
    ),
    (
        "Europe/Stockholm",
        "gothenburg goteborg malmo uppsala sweden",
    ),
    ("Europe/Vienna", "wien graz linz salzburg innsbruck austria"),
    (
        "Europe/Warsaw",
        "krakow cracow gdansk wroclaw poznan lodz katowice",
    ),
    (
        "Europe/Zurich",
        "geneva basel bern lausanne winterthur switzerland",
    ),
    (
        "Pacific/Auckland",
        "wellington christchurch hamilton dunedin queenstown",
    ),
    ("America/Costa_Rica", "san_jose"),
    ("Asia/Tbilisi", "batumi georgia"),
    (
        "Europe/Amsterdam",
        "rotterdam the_hague den_haag utrecht eindhoven delft netherlands holland",
    ),
    ("Europe/Athens", "thessaloniki greece"),
    ("Europe/Brussels", "antwerp ghent belgium"),
    (
        "Europe/Bucharest",
        "cluj cluj_napoca timisoara iasi romania",
    ),
    ("Europe/Copenhagen", "aarhus odense denmark"),
    ("Europe/Dublin", "cork galway ireland"),
    ("Europe/Helsinki", "espoo tampere turku finland"),
    ("Europe/Oslo", "bergen trondheim norway"),
    ("Europe/Sofia", "plovdiv varna bulgaria"),
    ("Europe/Vilnius", "kaunas lithuania"),
    ("Europe/Tallinn", "tartu estonia"),
    ("Europe/Budapest", "debrecen hungary"),
    ("America/Puerto_Rico", "san_juan"),
    ("Asia/Beirut", "tripoli lebanon"),
    ("America/Monterrey", "guadalupe"),
    ("Asia/Pyongyang", "chongjin north_korea"),
];

/// Abbreviations, names of Windows and sayings, with the zones they may mean: a list to choose from.
pub(crate) const ABBREVIATIONS: [(&str, &str); 78] = [
    ("pst", "America/Los_Angeles Asia/Manila"),
    ("pdt", "America/Los_Angeles"),
    ("pt", "America/Los_Angeles"),
    ("mdt", "America/Denver"),
    ("mt", "America/Denver"),
    ("cdt", "America/Chicago America/Havana"),
    ("ct", "America/Chicago"),
    ("cst", "America/Chicago Asia/Shanghai America/Havana"),
    ("edt", "America/New_York"),
    ("et", "America/New_York"),
    ("akst", "America/Anchorage"),
    ("akdt", "America/Anchorage"),
    ("hdt", "America/Adak"),
    ("ast", "America/Halifax America/Puerto_Rico Asia/Riyadh"),
    ("adt", "America/Halifax"),
    ("nst", "America/St_Johns"),
    ("ndt", "America/St_Johns"),
    ("brt", "America/Sao_Paulo"),
    ("art", "America/Argentina/Buenos_Aires"),
    ("clt", "America/Santiago"),
    ("clst", "America/Santiago"),
    ("cot", "America/Bogota"),
    ("pet", "America/Lima"),
    ("bst", "Europe/London Asia/Dhaka"),
    ("cest", "Europe/Berlin Europe/Paris Europe/Rome"),
    ("eest", "Europe/Athens Europe/Helsinki Europe/Kyiv"),
    ("west", "Europe/Lisbon Atlantic/Canary"),
    ("msk", "Europe/Moscow"),
    ("msd", "Europe/Moscow"),
    ("samt", "Europe/Samara"),
    ("trt", "Europe/Istanbul"),
    ("ist", "Asia/Kolkata Europe/Dublin Asia/Jerusalem"),
    ("idt", "Asia/Jerusalem"),
    ("gst", "Asia/Dubai Atlantic/South_Georgia"),
    ("irst", "Asia/Tehran"),
    ("pkt", "Asia/Karachi"),
    ("npt", "Asia/Kathmandu"),
    ("ict", "Asia/Bangkok Asia/Ho_Chi_Minh"),
    ("wib", "Asia/Jakarta"),
    ("wita", "Asia/Makassar"),
    ("wit", "Asia/Jayapura"),
    ("myt", "Asia/Kuala_Lumpur"),
    ("sgt", "Asia/Singapore"),
    ("hkt", "Asia/Hong_Kong"),
    ("pht", "Asia/Manila"),
    ("jst", "Asia/Tokyo"),
    ("kst", "Asia/Seoul"),
    ("uzt", "Asia/Tashkent"),
    ("awst", "Australia/Perth"),
    ("acst", "Australia/Adelaide Australia/Darwin"),
    ("acdt", "Australia/Adelaide"),
    ("aest", "Australia/Sydney Australia/Brisbane"),
    ("aedt", "Australia/Sydney Australia/Melbourne"),
    ("nzst", "Pacific/Auckland"),
    ("nzdt", "Pacific/Auckland"),
    ("chst", "Pacific/Guam"),
    ("sst", "Pacific/Pago_Pago"),
    ("sast", "Africa/Johannesburg"),
    ("eat", "Africa/Nairobi"),
    ("cat", "Africa/Maputo Africa/Harare"),
    ("wat", "Africa/Lagos"),
    ("z", "UTC"),
    ("coordinated_universal_time", "UTC"),
    ("greenwich_mean_time", "UTC Europe/London"),
    ("gmt_standard_time", "Europe/London"),
    ("w_europe_standard_time", "Europe/Berlin"),
    ("central_europe_standard_time", "Europe/Budapest"),
    (
        "central_european_time",
        "Europe/Berlin Europe/Paris Europe/Rome",
    ),
    ("romance_standard_time", "Europe/Paris"),
    ("russian_standard_time", "Europe/Moscow"),
    ("eastern_standard_time", "America/New_York"),
    ("central_standard_time", "America/Chicago"),
    ("mountain_standard_time", "America/Denver"),
    ("pacific_standard_time", "America/Los_Angeles"),
    ("india_standard_time", "Asia/Kolkata"),
    ("china_standard_time", "Asia/Shanghai"),
    ("tokyo_standard_time", "Asia/Tokyo"),
    ("aus_eastern_standard_time", "Australia/Sydney"),
];

/// The first parts of the names of cities' zones.
pub(crate) const AREAS: [&str; 10] = [
    "africa",
    "america",
    "antarctica",
    "arctic",
    "asia",
    "atlantic",
    "australia",
    "europe",
    "indian",
    "pacific",
];

/// First parts that people write, and the area they mean.
pub(crate) const OTHER_AREAS: [(&str, &str); 14] = [
    ("us", "america"),
    ("usa", "america"),
    ("united_states", "america"),
    ("canada", "america"),
    ("brazil", "america"),
    ("mexico", "america"),
    ("north_america", "america"),
    ("south_america", "america"),
    ("uk", "europe"),
    ("gb", "europe"),
    ("india", "asia"),
    ("china", "asia"),
    ("oceania", "pacific"),
    ("oceania", "australia"),
];

/// Areas whose border is not where people think. (America has no neighbour here: it has a London, a Paris and a
/// Moscow of its own.)
pub(crate) const NEIGHBOURS: [(&str, &str); 5] = [
    ("europe", "asia"),
    ("europe", "atlantic"),
    ("australia", "pacific"),
    ("asia", "indian"),
    ("africa", "indian"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone_data::ZoneData;

    #[test]
    fn every_zone_of_the_tables_exists() {
        let names = ZoneData::compiled_in().names();
        let zones = PLACES.iter().map(|(zone, _)| *zone);
        let listed = ABBREVIATIONS.iter().flat_map(|(_, zones)| zones.split(' '));
        for zone in zones.chain(listed) {
            assert!(names.iter().any(|name| name == zone), "{zone}");
        }
        let other = OTHER_AREAS.iter().map(|(_, area)| *area);
        let borders = NEIGHBOURS.iter().flat_map(|(a, b)| [*a, *b]);
        for area in AREAS.into_iter().chain(other).chain(borders) {
            let starts = |name: &String| name.to_lowercase().starts_with(&format!("{area}/"));
            assert!(names.iter().any(starts), "{area}");
        }
    }
}
