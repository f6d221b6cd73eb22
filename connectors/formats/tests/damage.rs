//! Damaged files: an error or rows, never a panic.

use crate::{
    columnar::{opened, read},
    random::Random,
    support::encoded,
};
use proptest::prelude::*;
use runink_formats::{ColumnarFormat, OutputFormat, ParquetCompression, ReadSpec};

const FORMATS: [(ColumnarFormat, OutputFormat); 3] = [
    (ColumnarFormat::Parquet, OutputFormat::Parquet(ParquetCompression::Snappy)),
    (ColumnarFormat::Arrow, OutputFormat::ArrowFile),
    (ColumnarFormat::Arrow, OutputFormat::ArrowStream),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn damaged_files_are_errors_or_rows(seed: u64) {
        damage(seed)?;
    }
}

/// The scale of a decimal, damaged: the file opens and its rows are read, but no value of it can be converted.
#[test]
fn damage_that_shows_only_when_values_are_converted_is_an_error() {
    damage(4_888_607_384_095_803_275).unwrap();
}

fn damage(seed: u64) -> Result<(), TestCaseError> {
    let mut random = Random(seed);
    let batch = random.batch(20);
    for (format, output) in FORMATS {
        let mut bytes = encoded(&output, &batch);
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        if random.one_in(4) {
            bytes.truncate(random.below(bytes.len()));
        }
        let spec = ReadSpec::all(batch.schema(), 7);
        if let Ok(file) = opened(format, &bytes)
            && let Err(e) = read(file.as_ref(), &spec, 0..file.units())
        {
            prop_assert!(e.code.starts_with("FMT"), "{}", e);
        }
    }
    Ok(())
}

#[test]
fn every_cut_of_a_file_is_noticed() {
    let batch = Random(3).batch(10);
    for (format, output) in FORMATS {
        let bytes = encoded(&output, &batch);
        let spec = ReadSpec::all(batch.schema(), 7);
        for len in (0..bytes.len()).step_by(7) {
            let all = opened(format, &bytes[..len]).and_then(|file| read(file.as_ref(), &spec, 0..file.units()));
            // A stream may end between two messages: it says nothing of how long it should be.
            if output != OutputFormat::ArrowStream {
                assert!(all.is_err(), "{format:?} cut to {len}");
            }
        }
    }
}
