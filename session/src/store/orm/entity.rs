//! The table as SeaORM sees it.

#![allow(missing_docs, reason = "what the derives make takes no docs")]

use std::fmt;

use sea_orm::entity::prelude::*;

/// A row of the table, under the name `sessions`.
///
/// `Debug` shows how many bytes the contents have, and not what they say.
///
/// ```
/// use actix_typed_session::store::orm;
/// use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
///
/// // the sessions that live longer than until then, without what is in them
/// let query = orm::Entity::find().filter(orm::Column::Expires.gt(1_800_000_000_000_i64)).select_only().column(orm::Column::Id);
/// # let _ = query;
/// ```
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// The key: prefix and id, in ASCII, other bytes and `%` percent-encoded.
    #[sea_orm(primary_key, auto_increment = false, column_type = "String(StringLen::N(512))")]
    pub id: String,
    /// Which write it is: 16 bytes.
    #[sea_orm(column_type = "Binary(16)")]
    pub version: Vec<u8>,
    /// When it expires, in Unix milliseconds.
    #[sea_orm(indexed)]
    pub expires: i64,
    /// The contents, which mean something to the middleware alone.
    #[sea_orm(column_type = "Blob")]
    pub data: Vec<u8>,
}

/// None: whoever relates to it says so.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("id", &self.id)
            .field("expires", &self.expires)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .finish_non_exhaustive()
    }
}
