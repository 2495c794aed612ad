"""``leadhand recommend``: the best process route for products, from the files of any factory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def recommend(
    network: Annotated[Path, typer.Option(metavar="N.json", help="Operations, alternatives, rules, costs, routes.")],
    history: Annotated[Path, typer.Option(metavar="H.parquet", help="Operations done: Parquet, CSV or XLSX.")],
    products: Annotated[Path, typer.Option(metavar="P.csv", help="All products with their features, new ones too: CSV or XLSX.")],
    out: Annotated[Path, typer.Option(metavar="R.json", help="Where the recommendations are written.")],
    windows: Annotated[
        Path | None, typer.Option(metavar="W.toml", help="Process windows: nothing outside of them is recommended.", show_default=False)
    ] = None,
    product: Annotated[list[str] | None, typer.Option(metavar="ID", help="These products only; may be given again.")] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A product never made, by its features: each once. Only this one is answered."),
    ] = None,
    only_new: Annotated[bool, typer.Option("--only-new", help="Products without a row in the history only.")] = False,
    own_routes: Annotated[
        bool, typer.Option("--own-routes", help="Only routes that the network names, or that orders of the history took.")
    ] = False,
    today: Annotated[
        Path | None, typer.Option(metavar="LOAD.json", help="Queues and breakdowns: the best route today besides.", show_default=False)
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A sheet to print for each product, as HTML, into this folder.", show_default=False)
    ] = None,
    before: Annotated[
        Path | None, typer.Option(metavar="OLD.json", help="Recommendations made before: tell what is materially new.", show_default=False)
    ] = None,
    made_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601, told as the time of making; now where not given.", show_default=False)
    ] = None,
    valid_days: Annotated[float, typer.Option(min=0.01, max=3650, help="For how long the recommendations hold.")] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="The same files and seed give the same recommendations.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the recommendations instead of a table.")] = False,
) -> None:
    """Recommend the best route for products, also ones never made: with intervals, reasons by step and what to watch.

    Nothing is recommended that rules or process windows forbid, or that measurements do not cover.

    Examples: leadhand recommend --network network.json --history history.parquet --products products.csv --only-new --out R.json

    leadhand recommend ... --feature tonnage_t=22.5 --feature grade=S690 --out R.json --sheet sheets
    """
    from leadhand import recommending
    from leadhand.console import Console
    from plant.clock import SystemClock

    wanted = recommending.Wanted(
        network=network,
        history=history,
        products=products,
        out=out,
        windows=windows,
        product=tuple(product or ()),
        feature=tuple(feature or ()),
        only_new=only_new,
        own_routes=own_routes,
        today=today,
        sheet=sheet,
        before=before,
        made_at=made_at,
        valid_days=valid_days,
        seed=seed,
        as_json=as_json,
    )
    with Console() as console:
        recommending.recommend_from_files(wanted, console, SystemClock())
