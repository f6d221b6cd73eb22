//! The laws of all stores hold for this one, over a folder and over an object store.

use crate::life::Heard;
use runink_checkpoint::{Captures, Restored, StateReader, conformance};
use runink_store::{Settings, Store};
use std::{sync::Arc, time::Duration};

struct OnDisk {
    folder: tempfile::TempDir,
    elsewhere: Option<tempfile::TempDir>,
    store: Option<Store>,
}

impl OnDisk {
    fn new(elsewhere: bool) -> Self {
        let elsewhere = elsewhere.then(|| tempfile::tempdir().unwrap());
        let mut subject = OnDisk { folder: tempfile::tempdir().unwrap(), elsewhere, store: None };
        subject.open();
        subject
    }

    fn open(&mut self) {
        let mut settings = Settings::new(self.folder.path(), "Conformance", Arc::new(Heard::default()));
        settings.every = Duration::ZERO;
        settings.snapshots = self.elsewhere.as_ref().map(|f| format!("file://{}", f.path().display()));
        self.store = Some(Store::open(settings).unwrap());
    }
}

impl conformance::Subject for OnDisk {
    fn captures(&self) -> Arc<dyn Captures> {
        self.store.as_ref().unwrap().captures()
    }

    fn restart(&mut self) -> Option<Arc<dyn Restored>> {
        self.store.take().unwrap().close(Duration::from_secs(30)).unwrap();
        self.open();
        self.store.as_ref().unwrap().restored().map(|r| r as Arc<dyn Restored>)
    }

    fn reader(&self) -> Arc<dyn StateReader> {
        self.store.as_ref().unwrap().reader()
    }

    fn write(&mut self) {
        self.store.as_ref().unwrap().flush(Duration::from_secs(30)).unwrap();
    }
}

#[test]
fn a_store_beside_the_database_keeps_the_laws() {
    conformance::all(&mut || Box::new(OnDisk::new(false)));
}

#[test]
fn a_store_elsewhere_keeps_the_laws() {
    conformance::all(&mut || Box::new(OnDisk::new(true)));
}
