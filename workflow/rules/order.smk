def in_order(given, shipped):
    """The config in the order of config.yaml, whatever a file laid over it names first.

    Rows of tables have that order, an experiment's first variant is what others are held against, and a run is named by
    the first experiment that it is of.
    """
    if not (isinstance(given, dict) and isinstance(shipped, dict)):
        return given
    return {name: in_order(given[name], shipped.get(name)) for name in shipped | given if name in given}
