"""Commands for people: `semacdr NAME …` runs semacdr.commands.NAME. Stages are in semacdr.stages."""
