//! The protocol driven by hand, and at random with failures at every step.

use super::*;
use proptest::prelude::*;

fn idle() -> Facts {
    Facts {
        fenced: false,
        database_sound: true,
        complete: None,
        merged: None,
        set_aside: None,
        published: None,
        candidate: None,
        failed: false,
        due: true,
        must_write: false,
        savepoint: false,
        too_old: 0,
        retire_due: true,
    }
}

#[test]
fn a_checkpoint_goes_through_its_steps_in_order() {
    let one = Some(Boundary(1));
    let mut facts = idle();
    assert_eq!(decide(&facts), Action::Rest);
    facts.complete = one;
    assert_eq!(decide(&facts), Action::Merge(Boundary(1)));
    facts.merged = one;
    assert_eq!(decide(&facts), Action::SetAside(Boundary(1)));
    (facts.set_aside, facts.candidate) = (one, Some((Boundary(1), Stage::SetAside)));
    assert_eq!(decide(&facts), Action::Store);
    facts.candidate = Some((Boundary(1), Stage::Stored));
    assert_eq!(decide(&facts), Action::Publish);
    facts.candidate = Some((Boundary(1), Stage::Exists));
    assert_eq!(decide(&facts), Action::Confirm);
    (facts.published, facts.candidate, facts.savepoint, facts.too_old) = (one, None, true, 1);
    assert_eq!(decide(&facts), Action::Savepoint);
    facts.savepoint = false;
    assert_eq!(decide(&facts), Action::Retire);
    facts.too_old = 0;
    assert_eq!(decide(&facts), Action::Rest);
}

#[test]
fn what_waits_is_merged_while_checkpoints_pause() {
    let facts = Facts { due: false, complete: Some(Boundary(2)), merged: Some(Boundary(1)), ..idle() };
    assert_eq!(decide(&facts), Action::Merge(Boundary(2)));
    assert_eq!(decide(&Facts { merged: Some(Boundary(2)), ..facts }), Action::Rest);
}

#[test]
fn too_much_to_hold_is_written_although_no_checkpoint_is_due() {
    let facts = Facts { due: false, must_write: true, complete: Some(Boundary(2)), merged: Some(Boundary(2)), ..idle() };
    assert_eq!(decide(&facts), Action::SetAside(Boundary(2)));
    assert_eq!(decide(&Facts { database_sound: false, ..facts }), Action::Rebuild);
}

#[test]
fn boundaries_that_come_fast_do_not_keep_a_candidate_from_being_published() {
    let begun = Facts {
        complete: Some(Boundary(9)),
        merged: Some(Boundary(5)),
        set_aside: Some(Boundary(1)),
        candidate: Some((Boundary(1), Stage::Stored)),
        ..idle()
    };
    assert_eq!(decide(&begun), Action::Publish);
    assert_eq!(decide(&Facts { failed: true, ..begun }), Action::SetAside(Boundary(5)));
    assert_eq!(decide(&Facts { failed: true, merged: Some(Boundary(1)), complete: Some(Boundary(1)), ..begun }), Action::Publish);
    let between = Facts { candidate: None, published: Some(Boundary(1)), ..begun };
    assert_eq!(decide(&between), Action::SetAside(Boundary(5)));
    assert_eq!(decide(&Facts { too_old: 1, ..between }), Action::Retire);
}

#[test]
fn one_that_is_fenced_does_nothing() {
    let facts =
        Facts { fenced: true, complete: Some(Boundary(2)), candidate: Some((Boundary(1), Stage::Exists)), savepoint: true, ..idle() };
    assert_eq!(decide(&facts), Action::Rest);
}

#[test]
fn a_manifest_needs_all_its_files() {
    let file = |n: &str| FileEntry { name: n.into(), object: format!("1-{n}"), bytes: 1, sha256: n.into() };
    let manifest = Manifest {
        scenario: "s".into(),
        number: CheckpointNumber(1),
        generation: runink_checkpoint::Generation(1),
        boundary: Boundary(1),
        key_groups: 4,
        made_at_ms: 0,
        files: vec![file("a"), file("b")],
    };
    let missing = PublishPermit::of(manifest.clone(), &["1-a".to_owned()].into());
    assert_eq!(missing.map_err(|f| f.object).err(), Some("1-b".to_owned()));
    let permit = PublishPermit::of(manifest.clone(), &["1-a".to_owned(), "1-b".to_owned()].into());
    assert!(permit.is_ok_and(|p| p.manifest() == &manifest));
}

/// A writer of which only the facts are left.
struct World {
    facts: Facts,
}

impl World {
    /// Does an action; it may fail half-way.
    fn act(&mut self, action: Action, fails: bool) {
        let facts = &mut self.facts;
        match action {
            Action::Rest => {}
            Action::Merge(to) => facts.merged = Some(to),
            Action::Rebuild => facts.database_sound = !fails,
            Action::SetAside(to) => {
                assert!(facts.database_sound, "the database is used although it is broken");
                assert_eq!(Some(to), facts.merged);
                facts.database_sound = !fails;
                if !fails {
                    (facts.set_aside, facts.candidate, facts.failed) = (Some(to), Some((to, Stage::SetAside)), false);
                }
            }
            Action::Store | Action::Publish => {
                let Some((boundary, stage)) = facts.candidate else { panic!("{action:?} without a candidate") };
                let (needs, becomes) =
                    if action == Action::Store { (Stage::SetAside, Stage::Stored) } else { (Stage::Stored, Stage::Exists) };
                assert_eq!(stage, needs);
                facts.failed = fails;
                if !fails {
                    facts.candidate = Some((boundary, becomes));
                }
            }
            Action::Confirm => {
                let Some((boundary, Stage::Exists)) = facts.candidate else { panic!("confirmed what does not exist") };
                if !fails {
                    assert!(facts.published < Some(boundary), "checkpoints go on");
                    (facts.published, facts.candidate) = (Some(boundary), None);
                }
            }
            Action::Savepoint => {
                assert_eq!(facts.candidate, None);
                facts.savepoint = fails;
            }
            Action::Retire => facts.too_old = if fails { facts.too_old } else { 0 },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// However often steps fail and pauses come, each step finds what it needs; and once nothing fails, all that is complete gets published.
    #[test]
    fn every_complete_boundary_is_published_in_the_end(script in proptest::collection::vec((any::<u8>(), any::<bool>()), 0..120)) {
        let mut world = World { facts: idle() };
        let mut complete = 0;
        for (event, fails) in script {
            match event % 6 {
                0 => { complete += 1; world.facts.complete = Some(Boundary(complete)); }
                1 => world.facts.due = !world.facts.due,
                2 => world.facts.must_write = !world.facts.must_write,
                3 => world.facts.savepoint = true,
                4 => world.facts.too_old += 1,
                _ => {}
            }
            let action = decide(&world.facts);
            world.act(action, fails);
            world.facts.failed &= world.facts.candidate.is_some();
        }
        world.facts.due = true;
        let mut steps = 0;
        loop {
            let action = decide(&world.facts);
            if action == Action::Rest { break }
            world.act(action, false);
            steps += 1;
            prop_assert!(steps < 20, "it never rests: {action:?} on {:?}", world.facts);
        }
        prop_assert_eq!(world.facts.published, world.facts.complete);
        prop_assert!(world.facts.too_old == 0 && (!world.facts.savepoint || complete == 0));
    }
}
