//! Snapshots in S3, Google Cloud Storage or Azure. Credentials, regions and endpoints come from the environment, by the names that each cloud's own tools use.

use super::{Objects, Put};
use crate::StoreError;
use bytes::Bytes;
use object_store::{
    ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig, WriteMultipart, aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder, path::Path as Key,
};
use std::{
    fs::File,
    future::Future,
    io::{Read, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::runtime::Runtime;

/// How often a request is tried before the attempt counts as failed; the next checkpoint tries again.
const MAX_RETRIES: usize = 3;

/// How long a request is tried at most.
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// How long one try may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of a file is sent at once; also what decides whether it goes in one request.
const PART_BYTES: usize = 8 << 20;

/// How many parts are on their way at once: what bounds memory.
const PARTS_AT_ONCE: usize = 4;

/// See the module.
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    url: String,
    runtime: Runtime,
}

impl Remote {
    /// Opens the store of an address; nothing is asked of it yet.
    ///
    /// # Errors
    /// Where the address is none, or settings for it are missing.
    pub fn open(url: &str, scenario_folder: &str) -> Result<Self, StoreError> {
        let bad = |message: String| StoreError::Url { url: url.to_owned(), message };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("it has no scheme".to_owned()))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(bad("it names no bucket".to_owned()));
        }
        let retry = RetryConfig { max_retries: MAX_RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        // Where plain HTTP may be spoken (a server on this machine), the environment says so.
        let plain = |name: &str| std::env::var(name).is_ok_and(|v| v.eq_ignore_ascii_case("true"));
        let client = |http| ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_allow_http(http);
        let built = match scheme {
            "s3" | "s3a" => AmazonS3Builder::from_env()
                .with_client_options(client(plain("AWS_ALLOW_HTTP")))
                .with_bucket_name(bucket)
                .with_retry(retry)
                .build()
                .map(|s| Arc::new(s) as Arc<dyn ObjectStore>),
            "gs" => GoogleCloudStorageBuilder::from_env()
                .with_client_options(client(plain("GOOGLE_ALLOW_HTTP")))
                .with_bucket_name(bucket)
                .with_retry(retry)
                .build()
                .map(|s| Arc::new(s) as Arc<dyn ObjectStore>),
            "az" | "azure" => MicrosoftAzureBuilder::from_env()
                .with_client_options(client(plain("AZURE_ALLOW_HTTP")))
                .with_container_name(bucket)
                .with_retry(retry)
                .build()
                .map(|s| Arc::new(s) as Arc<dyn ObjectStore>),
            other => return Err(bad(format!("`{other}` is none of file, s3, gs and az"))),
        };
        let store = built.map_err(|e| bad(e.to_string()))?;
        let prefix = Key::parse(prefix.trim_matches('/')).map_err(|e| bad(e.to_string()))?;
        Self::over(store, prefix.join(scenario_folder), url)
    }

    /// Over any store of objects.
    ///
    /// # Errors
    /// Where threads cannot be made.
    pub fn over(store: Arc<dyn ObjectStore>, prefix: Key, url: &str) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| StoreError::Ended(format!("requests cannot be made: {e}")))?;
        Ok(Remote { store, prefix, url: url.to_owned(), runtime })
    }

    fn key(&self, name: &str) -> Key {
        name.split('/').fold(self.prefix.clone(), |key, part| key.join(part))
    }

    fn run<T>(&self, what: &str, request: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        self.runtime.block_on(request).map_err(|error| self.failed(what, &error))
    }

    fn failed(&self, what: &str, error: &dyn std::error::Error) -> StoreError {
        // The reason is mostly in the last of the chain.
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let text = inner.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = inner.source();
        }
        StoreError::Remote { url: self.url.clone(), what: what.to_owned(), message }
    }
}

fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Objects for Remote {
    fn url(&self) -> String {
        format!("{} ({})", self.url, self.prefix)
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Put, StoreError> {
        let payload = PutPayload::from_bytes(Bytes::copy_from_slice(bytes));
        let options = PutOptions::from(PutMode::Create);
        let key = self.key(name);
        self.run(&format!("writing {name}"), async {
            match self.store.put_opts(&key, payload, options).await {
                Ok(_) => Ok(Put::Done),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Put::Taken),
                Err(error) => Err(error),
            }
        })
    }

    fn put_file(&self, name: &str, from: &Path) -> Result<(), StoreError> {
        let key = self.key(name);
        let what = format!("writing {name}");
        let mut file = File::open(from).map_err(StoreError::disk(from, "read"))?;
        let length = file.metadata().map_err(StoreError::disk(from, "read"))?.len();
        if length <= PART_BYTES as u64 {
            let mut bytes = Vec::with_capacity(length as usize);
            file.read_to_end(&mut bytes).map_err(StoreError::disk(from, "read"))?;
            return self.run(&what, async { self.store.put(&key, bytes.into()).await.map(|_| ()) });
        }
        self.runtime.block_on(async {
            let upload = self.store.put_multipart(&key).await.map_err(|e| self.failed(&what, &e))?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
            let mut part = vec![0; PART_BYTES];
            loop {
                let n = file.read(&mut part).map_err(StoreError::disk(from, "read"))?;
                if n == 0 {
                    break;
                }
                upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(|e| self.failed(&what, &e))?;
                upload.write(&part[..n]);
            }
            upload.finish().await.map(|_| ()).map_err(|e| self.failed(&what, &e))
        })
    }

    fn sync(&self) -> Result<(), StoreError> {
        // A request that is answered is durable.
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = self.key(name);
        let bytes = self.run(&format!("reading {name}"), async {
            match found(self.store.get(&key).await)? {
                Some(object) => object.bytes().await.map(Some),
                None => Ok(None),
            }
        })?;
        Ok(bytes.map(|b| b.to_vec()))
    }

    fn fetch(&self, name: &str, to: &Path) -> Result<bool, StoreError> {
        let key = self.key(name);
        let what = format!("reading {name}");
        let size = self.run(&what, async { found(self.store.head(&key).await) })?;
        let Some(size) = size.map(|meta| meta.size) else { return Ok(false) };
        let mut file = File::create(to).map_err(StoreError::disk(to, "written"))?;
        let mut at = 0;
        while at < size {
            let end = size.min(at + PART_BYTES as u64);
            let bytes = self.run(&what, async { self.store.get_range(&key, at..end).await })?;
            file.write_all(&bytes).map_err(StoreError::disk(to, "written"))?;
            at = end;
        }
        file.sync_all().map_err(StoreError::disk(to, "written"))?;
        Ok(true)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let key = self.key(folder);
        let listed = self.run(&format!("listing {folder}"), async { self.store.list_with_delimiter(Some(&key)).await })?;
        let mut names: Vec<String> = listed.objects.iter().filter_map(|o| o.location.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let key = self.key(name);
        self.run(&format!("deleting {name}"), async { found(self.store.delete(&key).await).map(|_| ()) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use object_store::memory::InMemory;

    #[test]
    fn objects_are_put_once_found_and_deleted() {
        let remote = Remote::over(Arc::new(InMemory::new()), Key::from("prefix"), "memory").unwrap();
        assert_eq!(remote.put_new("manifests/1", b"one").unwrap(), Put::Done);
        assert_eq!(remote.put_new("manifests/1", b"two").unwrap(), Put::Taken);
        assert_eq!(remote.get("manifests/1").unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(remote.get("manifests/2").unwrap(), None);
        remote.put_new("manifests/0", b"").unwrap();
        assert_eq!(remote.list("manifests").unwrap(), vec!["0", "1"]);
        assert!(remote.list("savepoints").unwrap().is_empty());
        remote.delete("manifests/1").unwrap();
        remote.delete("manifests/1").unwrap();
        assert_eq!(remote.list("manifests").unwrap(), vec!["0"]);
    }

    #[test]
    fn files_of_any_length_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let remote = Remote::over(Arc::new(InMemory::new()), Key::from("prefix"), "memory").unwrap();
        for length in [0, 1, PART_BYTES, 2 * PART_BYTES + 17] {
            let (from, to) = (folder.path().join("from"), folder.path().join("to"));
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            std::fs::write(&from, &bytes).unwrap();
            remote.put_file("files/a", &from).unwrap();
            assert!(remote.fetch("files/a", &to).unwrap());
            assert!(std::fs::read(&to).unwrap() == bytes, "{length} bytes");
        }
        assert!(!remote.fetch("files/b", &folder.path().join("none")).unwrap());
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        let said = |url: &str| Remote::open(url, "s").map(|_| ()).unwrap_err().to_string();
        assert_eq!(said("ftp://host/x"), "CKP005: `ftp://host/x` is not a snapshot store: `ftp` is none of file, s3, gs and az");
        assert_eq!(said("s3:///x"), "CKP005: `s3:///x` is not a snapshot store: it names no bucket");
    }
}
