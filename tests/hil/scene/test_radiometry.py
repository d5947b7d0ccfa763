"""Planck, atmosphere, stars and signatures against quadrature, limits and published magnitudes."""

from importlib.resources import files

import numpy as np
import pytest
from scipy.constants import c, h, k, sigma
from scipy.integrate import quad

from lookdown.hil.scene.atmosphere import Atmosphere, air_mass, air_temperature_k
from lookdown.hil.scene.planck import band_radiance, brightness_temperature, solar_irradiance
from lookdown.hil.scene.signature import Signature, air_density_kg_m3, signature_table, skin_temperature_k
from lookdown.hil.scene.stars import stars

BANDS = [(2.65, 2.8), (3.8, 4.1), (4.2, 4.45), (8.0, 12.0)]


def planck(wavelength_m: float, temperature_k: float) -> float:
    return 2.0 * h * c**2 / wavelength_m**5 / np.expm1(h * c / (wavelength_m * k * temperature_k))


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("temperature", [220.0, 300.0, 1000.0, 5772.0])
def test_band_radiance_equals_quadrature(band: tuple[float, float], temperature: float) -> None:
    expected, _ = quad(planck, band[0] * 1e-6, band[1] * 1e-6, args=(temperature,), epsrel=1e-10)
    assert float(band_radiance(temperature, band)) == pytest.approx(expected, rel=1e-6)
    assert float(brightness_temperature(expected, band)) == pytest.approx(temperature, rel=1e-4)


def test_all_wavelengths_together_obey_stefan_and_boltzmann() -> None:
    assert float(band_radiance(300.0, (0.1, 1e4))) == pytest.approx(sigma * 300.0**4 / np.pi, rel=1e-4)


def test_the_sun_has_its_constant_and_its_share_beyond_3_um() -> None:
    assert solar_irradiance((0.1, 100.0)) == pytest.approx(1361.0, rel=0.005)  # Kopp and Lean 2011
    assert solar_irradiance((3.8, 4.1)) == pytest.approx(2.9, rel=0.1)  # ASTM E490: 9.6 W m-2 um-1 at 3.95 um


@pytest.mark.parametrize("band", BANDS)
def test_transmission_grows_with_height_and_elevation(band: tuple[float, float]) -> None:
    air = Atmosphere(band)
    up = air.transmission(np.linspace(0.0, 130e3, 200), 0.7)
    assert np.all(np.diff(up) >= 0.0)
    assert up[-1] == 1.0
    slanted = air.transmission(20e3, np.radians(np.linspace(-4.0, 90.0, 100)))
    assert np.all(np.diff(slanted) >= 0.0)
    step = np.diff(air.transmission(20e3, np.radians([-0.01, 0.0, 0.01])))
    assert step[0] == pytest.approx(step[1], rel=0.3, abs=1e-9)  # no jump at the horizon
    radiance, transmission = air.limb(np.linspace(0.0, 130e3, 100))
    assert np.all(np.diff(transmission) >= 0.0)
    assert radiance[-1] == 0.0
    assert transmission[-1] == 1.0
    assert np.all((radiance > 0.0) | (np.linspace(0.0, 130e3, 100) >= 120e3))


def test_bands_open_where_they_should() -> None:
    zenith = np.pi / 2.0
    water, window, carbon, thermal = (Atmosphere(band) for band in BANDS)
    assert water.transmission(0.0, zenith) < 1e-3 < 0.3 < water.transmission(10e3, zenith)
    assert carbon.transmission(10e3, zenith) < 1e-2 < 0.4 < carbon.transmission(40e3, zenith)
    assert window.transmission(0.0, zenith) == pytest.approx(0.86, abs=1e-6)
    assert thermal.transmission(0.0, zenith) == pytest.approx(0.62, abs=1e-6)


def test_air_emits_no_more_than_it_absorbs() -> None:
    """Air of one temperature would send (1 - t) B; real air lies between that of its coldest and warmest layers."""
    for band in BANDS:
        air = Atmosphere(band)
        elevation = np.radians([90.0, 30.0, 5.0, 0.0])
        absorbed = 1.0 - air.transmission(0.0, elevation)
        radiance = air.path_radiance(0.0, elevation)
        assert np.all(radiance <= absorbed * float(band_radiance(289.0, band)))
        assert np.all(radiance >= 0.9 * absorbed * float(band_radiance(186.0, band)))
    assert air.path_radiance(0.0, 0.0) == pytest.approx(air.limb(0.0)[0], rel=0.05)  # opaque: the far half is hidden


@pytest.mark.parametrize("band", BANDS)
def test_sky_and_path_together_are_the_limb(band: tuple[float, float]) -> None:
    """From its lowest point a way past the Earth goes to the sensor on one side and into the sky on the other."""
    air, heights = Atmosphere(band), np.array([10e3, 30e3, 48e3, 72e3])
    both = air.path_radiance(heights, 0.0) + air.transmission(heights, 0.0) * air.sky_radiance(heights, 0.0)
    np.testing.assert_allclose(both, air.limb(heights)[0], rtol=1e-6)
    assert air.sky_radiance(130e3, 0.3) == 0.0


def test_air_mass_follows_the_sphere() -> None:
    assert air_mass(0.0, np.pi / 2.0) == pytest.approx(1.0, abs=1e-12)
    assert air_mass(0.0, np.radians(30.0)) == pytest.approx(2.0, rel=0.01)
    # Grazing: the closed form of an exponential atmosphere, sqrt(pi R / (2 H)).
    assert air_mass(0.0, 0.0) == pytest.approx(np.sqrt(np.pi * 6371.0 / 16.0), rel=2e-3)
    # Numerical integration along the straight way.
    way = np.linspace(0.0, 600e3, 60001)
    height = np.sqrt(6371e3**2 + way**2 + 2.0 * 6371e3 * way * np.sin(np.radians(5.0))) - 6371e3
    assert air_mass(0.0, np.radians(5.0)) == pytest.approx(np.trapezoid(np.exp(-height / 8e3), way) / 8e3, rel=0.01)


def test_the_standard_atmosphere() -> None:
    np.testing.assert_allclose(air_temperature_k([0.0, 5e3, 15e3]), [288.15, 255.65, 216.65], atol=0.1)
    np.testing.assert_allclose(air_density_kg_m3([0.0, 10e3, 30e3]), [1.225, 0.4135, 0.0184], rtol=0.1)


def test_a_band_that_the_table_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"band_um: the table of the atmosphere has the bands 2\.7 um, .*give scene"):
        Atmosphere((0.5, 0.7))


def test_every_kind_has_a_signature_in_every_band() -> None:
    view = np.array([[0.0, 0.0, -1.0], [-0.6, 0.0, -0.8], [0.6, 0.0, -0.8], [0.0, 0.8, -0.6]])
    for kind in signature_table():
        for band in BANDS:
            signature = Signature(kind, band)
            background = 0.8 * band_radiance(285.0, band)
            value = signature.intensity_w_sr(view, 10.0, 20.0, True, background)
            assert np.all(np.isfinite(value))
            assert value.shape == (4,)
    with pytest.raises(ValueError, match=r"signature: wanted one of airliner, .*, got 'kite'"):
        Signature("kite", BANDS[0])


def test_signatures_have_the_magnitudes_and_aspects_of_the_open_literature() -> None:
    rear, nose = np.array([-0.7, 0.0, -0.7]), np.array([0.7, 0.0, -0.7])
    jet = Signature("airliner", (3.8, 4.1))
    from_behind, ahead = (float(jet.intensity_w_sr(view, 11e3, 245.0, True, 0.11)) for view in (rear, nose))
    assert 30.0 < from_behind < 300.0
    assert from_behind > ahead + 50.0
    assert float(jet.intensity_w_sr(rear, 11e3, 245.0, False, 0.11)) < 0.0  # cold skin before warm ground
    glider = Signature("hypersonic_glider", (3.8, 4.1))
    slow, fast = (float(glider.intensity_w_sr(nose, 30e3, speed, False, 0.11)) for speed in (1600.0, 5000.0))
    assert 1e3 < slow < fast < 1e5
    boost = Signature("ballistic", (2.65, 2.8))
    assert float(boost.intensity_w_sr(rear, 40e3, 2000.0, True, 0.0)) > 4e4
    ground = Signature("vehicle", (8.0, 12.0))
    assert 20.0 < float(ground.intensity_w_sr(nose, 0.0, 20.0, True, band_radiance(300.0, (8.0, 12.0)))) < 300.0


def test_the_sun_lights_only_faces_that_the_sensor_sees() -> None:
    jet = Signature("airliner", (3.8, 4.1))
    top = np.array([0.0, 0.0, -1.0])
    dark = float(jet.intensity_w_sr(top, 11e3, 245.0, False, 0.11))
    lit = float(jet.intensity_w_sr(top, 11e3, 245.0, False, 0.11, np.array([0.0, 0.0, -1.0])))
    below = float(jet.intensity_w_sr(top, 11e3, 245.0, False, 0.11, np.array([0.0, 0.0, 1.0])))
    assert lit - dark == pytest.approx(270.0 * 0.15 / np.pi * 0.85 * solar_irradiance((3.8, 4.1)), rel=1e-6)
    assert below == dark


def test_skin_is_heated_as_flight_tests_found() -> None:
    assert float(skin_temperature_k(24e3, 3.2 * 297.0)) == pytest.approx(
        610.0, abs=60.0
    )  # SR-71 at Mach 3.2: 560 to 620 K
    assert np.all(np.diff(skin_temperature_k(30e3, np.linspace(300.0, 6000.0, 50))) > 0.0)


def test_stars_are_where_they_should_be_and_as_many() -> None:
    sky = stars((3.8, 4.1), 5)
    assert len(sky) == pytest.approx(4500.0 * 10.0**0.9, rel=0.01)
    np.testing.assert_allclose(np.linalg.norm(sky["direction_icrs"], axis=1), 1.0, atol=1e-12)
    betelgeuse = sky["direction_icrs"][0]
    assert np.degrees(np.arcsin(betelgeuse[2])) == pytest.approx(7.407, abs=1e-6)
    # Vega: 5.2e-15 W cm-2 um-1 at 3.8 um (Tokunaga and Vacca 2005), over 0.3 um.
    vega = np.flatnonzero(np.abs(np.degrees(np.arcsin(sky["direction_icrs"][:40, 2])) - 38.784) < 1e-3)[0]
    assert sky["irradiance_w_m2"][vega] == pytest.approx(4.4e-11 * 0.3, rel=0.25)
    np.testing.assert_array_equal(sky, stars((3.8, 4.1), 5))


def test_the_tables_are_shipped() -> None:
    for name in ("atmosphere.csv", "signature.toml", "stars.csv"):
        assert files("lookdown.hil.scene").joinpath(name).is_file()
    setup = (files("lookdown.hil").joinpath("..") / "setup.py").read_text(encoding="utf-8")
    assert '"*.csv", "*.toml"' in setup
