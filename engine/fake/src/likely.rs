//! Texts that look like what a field's name says.

use fake::{
    Fake,
    faker::{
        address::en::{CityName, CountryCode, CountryName, PostCode, StateName, StreetName},
        company::en::{CompanyName, Profession},
        currency::en::CurrencyCode,
        internet::en::{DomainSuffix, IPv4, MACAddress, SafeEmail, UserAgent, Username},
        lorem::en::{Sentence, Word},
        name::en::{FirstName, LastName, Name},
        phone_number::en::PhoneNumber,
    },
};
use rand::{RngExt, rngs::StdRng};

/// What a text is likely to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likely {
    FirstName,
    LastName,
    FullName,
    Email,
    Phone,
    City,
    Country,
    CountryCode,
    State,
    Street,
    PostCode,
    Company,
    Job,
    Currency,
    Username,
    IpAddress,
    MacAddress,
    Url,
    UserAgent,
    Uuid,
    Sentence,
    Id,
    Word,
}

/// Endings of names, longest first where one is another's end, and what they mean.
const ENDINGS: [(&str, Likely); 47] = [
    ("first_name", Likely::FirstName),
    ("firstname", Likely::FirstName),
    ("given_name", Likely::FirstName),
    ("last_name", Likely::LastName),
    ("lastname", Likely::LastName),
    ("surname", Likely::LastName),
    ("family_name", Likely::LastName),
    ("user_name", Likely::Username),
    ("username", Likely::Username),
    ("login", Likely::Username),
    ("company_name", Likely::Company),
    ("company", Likely::Company),
    ("merchant", Likely::Company),
    ("shop", Likely::Company),
    ("city_name", Likely::City),
    ("city", Likely::City),
    ("town", Likely::City),
    ("country_code", Likely::CountryCode),
    ("country", Likely::Country),
    ("state", Likely::State),
    ("street", Likely::Street),
    ("address", Likely::Street),
    ("zip", Likely::PostCode),
    ("zip_code", Likely::PostCode),
    ("postcode", Likely::PostCode),
    ("postal_code", Likely::PostCode),
    ("email", Likely::Email),
    ("e_mail", Likely::Email),
    ("mail", Likely::Email),
    ("phone", Likely::Phone),
    ("mobile", Likely::Phone),
    ("telephone", Likely::Phone),
    ("job", Likely::Job),
    ("profession", Likely::Job),
    ("currency", Likely::Currency),
    ("mac_address", Likely::MacAddress),
    ("ip_address", Likely::IpAddress),
    ("ip", Likely::IpAddress),
    ("url", Likely::Url),
    ("website", Likely::Url),
    ("user_agent", Likely::UserAgent),
    ("uuid", Likely::Uuid),
    ("guid", Likely::Uuid),
    ("description", Likely::Sentence),
    ("comment", Likely::Sentence),
    ("message", Likely::Sentence),
    ("id", Likely::Id),
];

/// Words that are a person's name by themselves.
const PEOPLE: [&str; 8] = ["name", "full_name", "customer", "owner", "person", "author", "customer_name", "owner_name"];

impl Likely {
    /// What the name of a field says.
    pub(crate) fn of(field: &str) -> Self {
        let name = words(field);
        if PEOPLE.contains(&name.as_str()) {
            return Likely::FullName;
        }
        let ends = |ending: &str| name == ending || name.strip_suffix(ending).is_some_and(|rest| rest.ends_with('_'));
        ENDINGS.iter().filter(|(ending, _)| ends(ending)).max_by_key(|(ending, _)| ending.len()).map_or(Likely::Word, |(_, likely)| *likely)
    }

    pub(crate) fn text(self, random: &mut StdRng) -> String {
        match self {
            Likely::FirstName => FirstName().fake_with_rng(random),
            Likely::LastName => LastName().fake_with_rng(random),
            Likely::FullName => Name().fake_with_rng(random),
            Likely::Email => SafeEmail().fake_with_rng(random),
            Likely::Phone => PhoneNumber().fake_with_rng(random),
            Likely::City => CityName().fake_with_rng(random),
            Likely::Country => CountryName().fake_with_rng(random),
            Likely::CountryCode => CountryCode().fake_with_rng(random),
            Likely::State => StateName().fake_with_rng(random),
            Likely::Street => StreetName().fake_with_rng(random),
            Likely::PostCode => PostCode().fake_with_rng(random),
            Likely::Company => CompanyName().fake_with_rng(random),
            Likely::Job => Profession().fake_with_rng(random),
            Likely::Currency => CurrencyCode().fake_with_rng(random),
            Likely::Username => Username().fake_with_rng(random),
            Likely::IpAddress => IPv4().fake_with_rng(random),
            Likely::MacAddress => MACAddress().fake_with_rng(random),
            Likely::Url => {
                let (name, suffix): (String, String) = (Word().fake_with_rng(random), DomainSuffix().fake_with_rng(random));
                format!("https://www.{name}.{suffix}/")
            }
            Likely::UserAgent => UserAgent().fake_with_rng(random),
            Likely::Uuid => uuid(random),
            Likely::Sentence => Sentence(3..9).fake_with_rng(random),
            Likely::Id => format!("{:08x}", random.random::<u32>()),
            Likely::Word => Word().fake_with_rng(random),
        }
    }
}

/// A name with its words in lower case and `_` between them.
pub(crate) fn words(field: &str) -> String {
    let mut out = String::new();
    let mut was_lower = false;
    for c in field.chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && was_lower {
                out.push('_');
            }
            out.extend(c.to_lowercase());
            was_lower = c.is_lowercase() || c.is_numeric();
        } else {
            out.push('_');
            was_lower = false;
        }
    }
    out
}

/// A random UUID (version 4).
fn uuid(random: &mut StdRng) -> String {
    let mut bytes: [u8; 16] = random.random();
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn names_say_what_a_text_is() {
        for (field, likely) in [
            ("firstName", Likely::FirstName),
            ("owner_email", Likely::Email),
            ("CITY", Likely::City),
            ("home-city", Likely::City),
            ("velocity", Likely::Word),
            ("card_id", Likely::Id),
            ("paid", Likely::Word),
            ("zip_code", Likely::PostCode),
            ("user_name", Likely::Username),
            ("name", Likely::FullName),
            ("filename", Likely::Word),
        ] {
            assert_eq!(Likely::of(field), likely, "{field}");
        }
        let mut random = StdRng::seed_from_u64(0);
        assert!(Likely::Email.text(&mut random).contains('@'));
        assert_eq!(Likely::Uuid.text(&mut random).len(), 36);
    }
}
