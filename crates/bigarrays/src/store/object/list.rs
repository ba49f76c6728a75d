//! Listing keys: page by page, and what lies below different slashes at once.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use futures_util::StreamExt;
use object_store::ObjectStoreExt;
use object_store::list::{PaginatedListOptions, PaginatedListResult};
use object_store::path::Path;
use tokio::sync::Semaphore;

use super::failure;
use super::odd_keys::unmarked;
use super::place::Service;
use super::runtime::Again;
use super::work::Work;
use crate::base::error::{Error, Result};
use crate::store::RESERVED;

/// Lists of different prefixes under way at once.
const LISTS_AT_ONCE: usize = 8;

/// Keys with sizes, and folders without.
type Page = Vec<(String, Option<u64>)>;

/// Where pages of a listing are sent; `None` is sent after the last.
pub(super) struct Pages {
    sender: Sender<Option<Result<Page>>>,
    /// Permits for pages that the caller has not yet seen.
    pub(super) room: Arc<Semaphore>,
}

impl Pages {
    pub(super) fn new() -> (Self, Receiver<Option<Result<Page>>>) {
        let (sender, received) = mpsc::channel();
        (Self { sender, room: Arc::new(Semaphore::new(LISTS_AT_ONCE)) }, received)
    }

    /// Waits for room and sends a page; says whether anybody receives it.
    async fn send(&self, page: Result<Page>) -> bool {
        if let Ok(permit) = self.room.acquire().await {
            permit.forget();
        }
        self.sender.send(Some(page)).is_ok()
    }

    pub(super) fn end(&self) {
        // Nobody receives after a failure.
        let _ = self.sender.send(None);
    }
}

impl Work {
    /// Sends the keys and sizes of every object that starts with `prefix`, page by page. What lies
    /// below different slashes is listed at once, or, unless `deep`, only the names up to the slashes.
    pub(super) async fn list(&self, prefix: String, deep: bool, pages: &Pages) {
        if self.remote.place.service == Service::Azure && !prefix.is_empty() && !prefix.ends_with('/') {
            self.list_exactly(&prefix, pages).await;
        }
        let top = self.list_pages(prefix, Some("/"), pages).await;
        if !deep {
            // A folder without a name, or of dots, is none that can be asked for.
            let name = |folder: &String| {
                let name = folder.get(self.prefix.len()..)?.trim_end_matches('/');
                (!matches!(name, "" | "." | "..")).then(|| (name.to_owned(), None))
            };
            // Nobody receives after a failure.
            let _ = pages.send(Ok(top.iter().filter_map(name).collect())).await;
            return;
        }
        let below = async |prefix: String| drop(self.list_pages(prefix, None, pages).await);
        futures_util::stream::iter(top).for_each_concurrent(LISTS_AT_ONCE, below).await;
    }

    /// Sends the object that is called as the prefix itself, which lists of Azure leave out.
    async fn list_exactly(&self, prefix: &str, pages: &Pages) {
        let found = match Path::parse(prefix) {
            Ok(path) => self.client.store.head(&path).await,
            Err(_) => return,
        };
        let page = match found {
            Ok(found) => Ok(vec![(prefix[self.prefix.len()..].to_owned(), Some(found.size))]),
            Err(error) if failure::is_missing(&error) => return,
            Err(error) => Err(self.explain("listing", &prefix[self.prefix.len()..])(error)),
        };
        // Nobody receives after a failure.
        let _ = pages.send(page).await;
    }

    /// Sends the pages of one listing and returns the common prefixes.
    async fn list_pages(
        &self,
        prefix: String,
        delimiter: Option<&'static str>,
        pages: &Pages,
    ) -> Vec<String> {
        let mut prefixes = Vec::new();
        let mut page_token = None;
        loop {
            let page = match self.list_page(&prefix, delimiter, page_token.take()).await {
                Ok(page) => page,
                Err(error) => {
                    let _ = pages.send(Err(error)).await;
                    return Vec::new();
                }
            };
            let below = self.prefix.len();
            let key = |path: &Path| unmarked(path.as_ref()).get(below..).unwrap_or_default().to_owned();
            let found = page.result.objects.iter().map(|object| (key(&object.location), Some(object.size)));
            let found =
                found.filter(|(key, _)| !key.split('/').any(|part| part.starts_with(RESERVED))).collect();
            if !pages.send(Ok(found)).await {
                return Vec::new();
            }
            prefixes.extend(
                page.result.common_prefixes.iter().map(|path| format!("{}/", unmarked(path.as_ref()))),
            );
            page_token = page.page_token;
            if page_token.is_none() {
                return prefixes;
            }
        }
    }

    async fn list_page(
        &self,
        prefix: &str,
        delimiter: Option<&'static str>,
        page_token: Option<String>,
    ) -> Result<PaginatedListResult> {
        let explain = self.explain("listing", &prefix[self.prefix.len().min(prefix.len())..]);
        let lister = self.client.lister.as_ref().ok_or_else(|| {
            let message = "a web server does not say what it has; name the array or scale itself";
            Error::unsupported(message).during("listing").at(self.location(""))
        })?;
        let options =
            PaginatedListOptions { delimiter: delimiter.map(Into::into), page_token, ..Default::default() };
        let _slot = self.client.throttle.enter().await;
        let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
        let mut again = Again::FIRST;
        loop {
            match lister.0.list_paginated(prefix, options.clone()).await {
                Err(error) if again.when(failure::is_broken_answer(&error)).await => {}
                done => return done.map_err(&explain),
            }
        }
    }
}
