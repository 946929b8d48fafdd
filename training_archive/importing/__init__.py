"""Examples from elsewhere: files of other tools and other Gleaners, through the same path as captured calls."""
