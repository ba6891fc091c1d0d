"""The data room: DSRL's file form, the split into D_N and D_U, stripping, segments, data cards."""
