// Package manual has the manual pages of sections 5 and 7: the formats, and what
// several commands have in common. They are written in Markdown beside this file,
// built into the program, and shown by "purebundle help TOPIC" and man(1).
//
// [All] lists the pages. [Page.Write] shows one on a terminal, [Page.WriteRoff] as man
// wants it. The pages of section 1, one a command, are made from their flags in
// package cli.
//
// # Words
//
//	topic  what a page is about; after "purebundle-" its name
//	block  a heading, a paragraph, a list item, a table, or lines that stay as they are
//	span   a run of characters within a line that is marked: code, bold, a link
//
// Of Markdown it knows what the pages use: headings, paragraphs, lists of one level,
// tables, fenced code; `code`, **bold** and [links](to). Sources: man-pages(7),
// groff_man(7).
package manual
