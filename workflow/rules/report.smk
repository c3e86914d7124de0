# The content of the report: titles of tables and figures, and their categories.
from lbt.views.results import CONTROLS

# Snakemake sorts by title, so a number tells which table to read first.
TABLES = {
    "summary": "1. mIoU by method",
    "miou": "2. mIoU by method and seed",
    "classes": "3. IoU by class",
    "latency": "4. latency predicted against measured",
    "decisions": "5. how far the search decided",
}


def page_of(table):
    return report(
        f"{RUN}/tables/{table}.html",
        caption=f"../report/table-{table}.rst",
        category="Comparison",
        subcategory="Tables",
        labels={"Table": TABLES[table]},
    )


COMPARISON = {
    "accuracy-latency": "accuracy against latency",
    "warmup": "warm-up of supernet and student",
    "losses": "mIoU and losses over the rounds",
    "architecture": "latency and entropies over the rounds",
    "gradients": "gradients and skipped updates over the rounds",
    "retraining": "retraining",
}
OF_NETWORK = {
    "network": "derived network",
    "architecture": "operators, paths and widths over the rounds",
    "confusion": "confusion matrix",
}
SEARCHED = [method for method in SETTINGS.methods if method not in CONTROLS]
PICTURES = SETTINGS.evaluation.pictures > 0


def compared_figure(name, title):
    caption = name.partition("-seed-")[0]
    return report(
        f"{RUN}/figures/{name}.svg",
        caption=f"../report/figure-{caption}.rst",
        category="Comparison",
        subcategory="Figures",
        labels={"Figure": title},
    )


def compared_figures():
    """The figures that compare the methods, by name; without pictures there are no predictions to show."""
    seeds = SETTINGS.seeds if PICTURES else ()
    seen = {
        f"predictions-seed-{s}": f"ground truth and predictions, seed {s}"
        for s in seeds
    }
    return COMPARISON | seen


def network_figures():
    """Name, method and seed; the architecture of a control never moves, and a baseline has no genotype."""
    those = {"architecture": SEARCHED, "network": SETTINGS.methods}
    return [
        (name, method, seed)
        for name in OF_NETWORK
        for method in those.get(name, SETTINGS.methods_and_baselines)
        for seed in SETTINGS.seeds
    ]


def network_figure(name, method, seed):
    return report(
        f"{RUN}/figures/{method}/seed-{seed}/{name}.svg",
        caption=f"../report/network-{name}.rst",
        category=method,
        subcategory="Figures",
        labels={"Figure": OF_NETWORK[name], "Seed": str(seed)},
    )
