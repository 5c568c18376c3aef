//! Installed container templates.

use std::collections::BTreeSet;

use model::{Digest, TemplateName, template::ContainerTemplate};
use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

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
        let sql = "SELECT template FROM templates WHERE name = ?1";
        let json: Option<String> = self.lock().query_row(sql, [name.as_str()], |r| r.get(0)).optional()?;
        Ok(json.map(|j| serde_json::from_str(&j)).transpose()?)
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
