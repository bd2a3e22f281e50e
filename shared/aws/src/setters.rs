/// Writes the setters of requests, each named as its parameter: `text` takes what becomes a text, `value` takes the value,
/// `optional` takes a value or none (and is named `set_...`), `entry` adds to a map.
macro_rules! setters {
    ($target:ty { $($kind:ident $(($field_type:ty))? $($path:ident).+;)+ }) => {
        impl $target {
            $(setters!(@one $kind $(($field_type))? $($path).+);)+
        }
    };
    (@one text $field:ident) => {
        #[doc = concat!("Sets `", stringify!($field), "`.")]
        #[must_use]
        pub fn $field(mut self, value: impl Into<String>) -> Self {
            self.input_mut().$field = Some(value.into());
            self
        }
    };
    (@one value($field_type:ty) $field:ident) => {
        #[doc = concat!("Sets `", stringify!($field), "`.")]
        #[must_use]
        pub fn $field(mut self, value: $field_type) -> Self {
            self.input_mut().$field = Some(value);
            self
        }
    };
    (@one entry($field_type:ty) $field:ident) => {
        #[doc = concat!("Adds to `", stringify!($field), "`.")]
        #[must_use]
        pub fn $field(mut self, name: impl Into<String>, value: impl Into<$field_type>) -> Self {
            let entries = self.input_mut().$field.get_or_insert_default();
            entries.insert(name.into(), value.into());
            self
        }
    };
}
