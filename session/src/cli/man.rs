//! `man`: the manual page, all commands in one.

use std::io;

use clap_mangen::Man;

/// The page in roff.
pub(super) fn page(mut command: clap::Command) -> io::Result<Vec<u8>> {
    // so that each command knows its full name and the options of all
    command.build();
    let mut page = Vec::new();
    let main = Man::new(command.clone());
    main.render_title(&mut page)?;
    main.render_name_section(&mut page)?;
    main.render_synopsis_section(&mut page)?;
    main.render_description_section(&mut page)?;
    main.render_options_section(&mut page)?;
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name().to_uppercase();
        let one = Man::new(command.clone().disable_help_flag(true));
        let mut section = Vec::new();
        one.render_synopsis_section(&mut section)?;
        one.render_description_section(&mut section)?;
        one.render_options_section(&mut section)?;
        // what is a section of its own page is a part of one here
        let section = String::from_utf8_lossy(&section).replace(".SH ", ".SS ");
        page.extend_from_slice(format!(".SH \"{name}\"\n{section}").as_bytes());
    }
    main.render_extra_section(&mut page)?;
    main.render_version_section(&mut page)?;
    Ok(page)
}
