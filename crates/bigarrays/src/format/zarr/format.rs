//! Zarr as a format: what is asked of every format, in terms of arrays and groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::dialect::Found;
use super::nodes::Zarr;
use super::{consolidated, create, group};
use crate::base::error::{Error, ErrorKind, Result};
use crate::format::document::{self, Document};
use crate::format::holds::Holds;
use crate::format::probe::Probe;
use crate::format::scale::ScaleSelector;
use crate::format::spec::CreateSpec;
use crate::format::traits::{
    Abilities, Attributes, ChangeAttributes, Complete, Create, Format, FormatOptions, Groups, Node, Opened,
    Remove, Resize,
};
use crate::store::{Store, cannot_list};

impl Format for Zarr {
    fn name(&self) -> &'static str {
        self.version.name()
    }

    fn about(&self) -> &'static str {
        self.version.about()
    }

    fn abilities(&self) -> Abilities {
        Abilities { reads: true, writes: true }
    }

    fn schemes(&self) -> &'static [&'static str] {
        self.version.schemes()
    }

    fn documents(&self) -> &'static [&'static str] {
        self.keys()
    }

    fn open(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<Opened>> {
        let store = probe.store();
        let document = match self.find(probe)? {
            None => return Ok(None),
            Some(Found::Array(meta)) => {
                let opened = meta.opened(self.name(), Arc::clone(store));
                let opened = opened.map_err(|error| error.at(store.location("")))?;
                return Ok(Some(Opened { notes: self.notes(probe), ..opened }));
            }
            Some(Found::Group(document)) => document,
        };
        match &options.scale {
            ScaleSelector::Key(path) => {
                let member = self.probe(&store.child(path)?)?;
                self.open_member(&member).map(|opened| Some(opened.member(path)))
            }
            _ => Err(group::is_group(&**store, self.version, &document)),
        }
    }

    fn creates(&self) -> Option<&dyn Create> {
        Some(self)
    }

    fn completes(&self) -> Option<&dyn Complete> {
        Some(self)
    }

    fn removes(&self) -> Option<&dyn Remove> {
        Some(self)
    }

    fn resizes(&self) -> Option<&dyn Resize> {
        Some(self)
    }

    fn groups(&self) -> Option<&dyn Groups> {
        Some(self)
    }

    fn attributes(&self) -> Option<&dyn Attributes> {
        Some(self)
    }
}

impl Create for Zarr {
    fn holds(&self) -> &'static Holds {
        self.version.holds()
    }

    fn create(&self, store: &Arc<dyn Store>, spec: &CreateSpec, _: &FormatOptions) -> Result<Opened> {
        self.create_or_adopt(store, spec, false)
    }

    fn like(&self, probe: &Probe, options: &FormatOptions) -> Result<Option<CreateSpec>> {
        let member;
        let (probe, meta) = match (self.find(probe)?, &options.scale) {
            (Some(Found::Array(meta)), _) => (probe, *meta),
            (Some(Found::Group(_)), ScaleSelector::Key(path)) => {
                member = self.probe(&probe.store().child(path)?)?;
                (&member, self.array(&member)?)
            }
            _ => return Ok(None),
        };
        let mut spec = create::like(&meta)?;
        if !meta.fill_is_said {
            spec.array.fill_value = Some(Value::Null);
        }
        spec.array.attributes = Some(self.version.attributes(probe)?.unwrap_or_default());
        Ok(Some(spec))
    }
}

impl Complete for Zarr {
    fn complete(&self, store: &Arc<dyn Store>, scale: Option<&str>) -> Result<()> {
        match scale {
            Some(path) => self.complete_array(&store.child(path)?),
            None => self.complete_array(store),
        }
    }

    fn mark(&self, store: &Arc<dyn Store>, scale: &str) -> Result<()> {
        self.mark_array(&store.child(scale)?)
    }
}

impl Remove for Zarr {
    fn remove(&self, store: &Arc<dyn Store>, scale: Option<&ScaleSelector>) -> Result<()> {
        if scale.is_some() {
            return Err(Error::unsupported("removing a part of a group; name its path"));
        }
        let probe = self.probe(store)?;
        let meta = match self.array(&probe) {
            // What a removal of an image leaves that is killed at its very end.
            Err(error) if error.kind() == ErrorKind::InvalidArgument && self.is_empty_group(store)? => {
                self.forget(store)?;
                self.remove_group(&**store)?;
                self.refresh(store)?;
                store.tidy("");
                return Ok(());
            }
            meta => meta?,
        };
        if store.unlink("")? {
            return self.refresh(store);
        }
        self.remove_all_chunks(&**store, &meta)?;
        self.remove_metadata(store)
    }
}

impl Resize for Zarr {
    fn resize(&self, store: &Arc<dyn Store>, shape: &[u64]) -> Result<()> {
        let key = self.version.array_key();
        let resized = |old: Option<Document>| {
            let mut document =
                old.ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no array here"))?;
            let parse = |document: &Document| self.version.parse(document, None);
            let meta = parse(&document)?;
            if shape.len() != meta.shape.len() {
                return Err(Error::invalid(format!("{} lengths for {} axes", shape.len(), meta.shape.len())));
            }
            document.insert("shape".to_owned(), json!(shape));
            parse(&document)?.opened(self.name(), Arc::clone(store))?;
            Ok((meta, document))
        };
        let (meta, _) = resized(document::read(&**store, key)?)?;
        if meta.shape.iter().zip(shape).any(|(old, new)| old > new) {
            let is_outside = |index: &[u64]| {
                let mut axes = index.iter().zip(&meta.chunk).zip(shape);
                axes.any(|((&at, &chunk), &length)| at >= length.div_ceil(chunk))
            };
            self.remove_chunks(&**store, &meta, is_outside)?;
        }
        document::change(&**store, key, |old| resized(old).map(|(_, document)| Some(document)))?;
        self.refresh(store)
    }
}

impl Groups for Zarr {
    fn list(&self, probe: &Probe) -> Result<Option<Vec<Node>>> {
        match self.find(probe)? {
            Some(Found::Group(document)) => group::list(&**probe.store(), self.version, &document).map(Some),
            _ => Ok(None),
        }
    }

    fn survey(&self, probe: &Probe) -> Result<Option<(Vec<Node>, Vec<String>)>> {
        let Some(Found::Group(document)) = self.find(probe)? else { return Ok(None) };
        let store = &**probe.store();
        let stored = match group::listed(store, self.version, usize::MAX) {
            Ok((nodes, _)) => Some(nodes),
            Err(error) if cannot_list(&error) => None,
            Err(error) => return Err(error),
        };
        let mut wrong = consolidated::contradictions(self.version, store, stored.as_deref())?;
        wrong.sort();
        let mut nodes = group::list(store, self.version, &document)?;
        let stored = stored.unwrap_or_default();
        let known: BTreeSet<&str> = stored.iter().map(|node| node.path.as_str()).collect();
        nodes.retain(|node| !known.contains(node.path.as_str()));
        nodes.extend(stored);
        nodes.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Some((nodes, wrong)))
    }

    fn create_group(&self, store: &Arc<dyn Store>, attributes: &Document) -> Result<()> {
        let new = self.version.new_group(attributes);
        self.write_new(&**store, self.version.group_key(), &new, false)?;
        self.join(store)
    }
}

impl Attributes for Zarr {
    fn read(&self, probe: &Probe) -> Result<Option<Document>> {
        self.version.attributes(probe)
    }

    fn change(&self, store: &Arc<dyn Store>, change: &ChangeAttributes<'_>) -> Result<()> {
        self.try_change_attributes(store, &|attributes| Ok(change(attributes)))
    }
}
