//! Installed container templates.

use std::collections::BTreeSet;

use model::{Digest, TemplateName, template::ContainerTemplate};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, StoreError};

pub(crate) fn find(
    connection: &Connection,
    name: &TemplateName,
) -> Result<Option<ContainerTemplate>, StoreError> {
    let sql = "SELECT template FROM templates WHERE name = ?1";
    let json: Option<String> = connection.query_row(sql, [name.as_str()], |r| r.get(0)).optional()?;
    Ok(json.map(|j| serde_json::from_str(&j)).transpose()?)
}

impl Store {
    /// Adds a template, or puts a newer one in its place.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn put_template(&self, template: &ContainerTemplate) -> Result<(), StoreError> {
        let json = serde_json::to_string(template)?;
        let sql = "INSERT INTO templates VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET template = ?2";
        self.lock().execute(sql, params![template.name.as_str(), json])?;
        Ok(())
    }

    /// One by name.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_template(&self, name: &TemplateName) -> Result<Option<ContainerTemplate>, StoreError> {
        find(&self.lock(), name)
    }

    /// All by name.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn list_templates(&self) -> Result<Vec<ContainerTemplate>, StoreError> {
        let connection = self.lock();
        let mut query = connection.prepare("SELECT template FROM templates ORDER BY name")?;
        let rows = query.query_map([], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        rows.iter().map(|j| Ok(serde_json::from_str(j)?)).collect()
    }

    /// Removes one; containers keep its layers.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn delete_template(&self, name: &TemplateName) -> Result<(), StoreError> {
        self.lock().execute("DELETE FROM templates WHERE name = ?1", [name.as_str()])?;
        Ok(())
    }

    /// Every layer that a template or a container stands on.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn layers_in_use(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let templates = self.list_templates()?.into_iter().flat_map(|t| t.image.layers);
        let containers = self.list_containers()?.into_iter().flat_map(|c| c.config.image.layers);
        Ok(templates.chain(containers).collect())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use model::{
        Bytes,
        template::{ImageRef, TemplateOrigin},
    };

    /// A template whose image and only layer are named after `version`.
    pub(crate) fn template(name: &str, version: u8) -> ContainerTemplate {
        let digest = Digest::from_bytes(&[version; 32]);
        ContainerTemplate {
            name: name.parse().unwrap(),
            version: version.to_string(),
            description: "d".into(),
            architecture: "amd64".into(),
            origin: TemplateOrigin::Built,
            image: ImageRef { digest: digest.clone(), layers: vec![digest] },
            size: Bytes(1),
            packages: vec!["init 1".into()],
            installed: 1,
            title: String::new(),
            memory_min: model::Bytes(0),
            application: model::Application::default(),
            recipe: None,
            sources: Vec::new(),
            files: Vec::new(),
        }
    }

    #[test]
    fn a_newer_template_takes_the_place_of_the_old() {
        let store = Store::in_memory().unwrap();
        for version in [1, 2] {
            store.put_template(&template("debian-12", version)).unwrap();
        }
        store.put_template(&template("alpine", 3)).unwrap();
        assert_eq!(store.list_templates().unwrap(), [template("alpine", 3), template("debian-12", 2)]);
        let name = "debian-12".parse().unwrap();
        assert_eq!(store.find_template(&name).unwrap(), Some(template("debian-12", 2)));
        store.delete_template(&name).unwrap();
        assert_eq!(store.find_template(&name).unwrap(), None);
    }

    #[test]
    fn a_layer_is_in_use_while_a_template_or_a_container_stands_on_it() {
        let store = Store::in_memory().unwrap();
        let template = template("debian-12", 1);
        store.put_template(&template).unwrap();
        let config = crate::containers::tests::config(100, "web");
        store.insert_container(&config, &[], "u", "t").unwrap();
        let layers: BTreeSet<_> = template.image.layers.iter().cloned().collect();
        store.delete_template(&template.name).unwrap();
        assert_eq!(store.layers_in_use().unwrap(), layers);
        store.delete_container(config.vmid).unwrap();
        assert!(store.layers_in_use().unwrap().is_empty());
    }
}
