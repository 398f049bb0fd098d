#pragma once

#include <accrete/core/settings.hpp>
#include <accrete/head/checks.hpp>
#include <accrete/head/class_moments.hpp>
#include <accrete/head/concept.hpp>
#include <accrete/head/gaussian_state.hpp>
#include <accrete/head/mahalanobis.hpp>
#include <accrete/head/shrinkage.hpp>
#include <accrete/head/unit_rows.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accrete {

/// Which covariance a class is measured with.
///   per_class  its own
///   common     the mean of the classes' covariances (of those with two samples or more)
///   diagonal   its own variances; a correlation of a diagonal is the identity, so none is taken
enum class GaussianCovariance { per_class, common, diagonal };

/// How distances come about.
///   paper    features x = f / |f|, their means and covariances; the covariance is shrunk and, by default, scaled to correlations
///   toolbox  as PILOT computes it: means and covariances of raw f, the covariance plus 100 I, distances between f / |f| and mean / |mean| through the pseudo-inverse of
///            the correlations of the covariance's own rows; all other settings are without effect
enum class GaussianRecipe { paper, toolbox };

/// Nearest class by Mahalanobis distance: score_c = -(x - mean_c)^T A_c^-1 (x - mean_c), A_c the shrunk covariance or its correlations.
/// Means and covariances are those of class_moments.hpp. A class whose samples do not differ (one sample) has no covariance: A_c = I, and `notes` says so.
/// A class without a sample scores lowest.
/// @source Goswami et al., "FeCAM: Exploiting the Heterogeneity of Class Distributions in Exemplar-Free Continual Learning", NeurIPS 2023, arXiv:2309.14062
struct GaussianHead {
  static constexpr std::string_view name = "gaussian";
  static constexpr StatisticsTraits statistics{.additive = true, .mergeable = true, .forgettable = true, .forgets_by_features = false};

  double alpha1 = 1.0;   ///< towards a multiple of the identity
  double alpha2 = 0.0;   ///< towards equal correlation
  Index shrinkings = 1;  ///< how often the covariance is shrunk
  double tukey = 1.0;    ///< features become f^tukey first, log f for 0; 1 leaves them; another power needs features that are not negative
  GaussianCovariance covariance = GaussianCovariance::per_class;
  Scaling scaling = Scaling::correlation;
  GaussianRecipe recipe = GaussianRecipe::paper;

  using State = GaussianState;

  /// Makes room for `classes` classes; fewer than there are changes nothing.
  void admit(State& state, Index classes) const { state.admit(classes); }
  [[nodiscard]] Index classes(State const& state) const { return state.moments_.classes(); }

  /// Adds labelled features. @param[in] features [n, L] host memory;  @param[in] columns [n] class of each
  /// @throws ShapeError, ValueError  as detail::check_labelled says, and for a negative feature under a Tukey power; the state is unchanged then
  template <class Exec>
  void observe(Exec const& exec, State& state, MatrixView<float const> features, std::span<Index const> columns) const {
    detail::check_labelled("GaussianHead::observe", features, columns, classes(state), state.moments_.width());
    if (state.moments_.width() == 0) { state.start(covariance == GaussianCovariance::diagonal && recipe == GaussianRecipe::paper ? SecondMoment::diagonal : SecondMoment::full); }
    if (recipe == GaussianRecipe::toolbox) {
      state.moments_.add(exec, features, columns);
    } else {
      state.moments_.add(exec, transformed("GaussianHead::observe", features).cview(), columns);
    }
  }

  /// Forms the distances of the classes that have changed; those of the others keep their bits.
  /// @throws ValueError  when a shrunk covariance is not positive definite.   Cost: L^3 / 3 flop for each of them
  template <class Exec>
  void fit(Exec const& exec, State& state) const {
    state.moments_.settle(exec);
    state.renew(rule(), is_common());
    for (Index c = 0; c < classes(state); ++c) { static_cast<void>(form_of(exec, state, c)); }
  }

  /// @param[in] features [B, L], host memory;  @param[out] scores [B, C], host memory: minus the squared distances
  /// @throws ValueError when there are samples since the last `fit`, or other settings were fitted;  ShapeError when the extents do not fit.   Cost: B * C * L^2 flop
  template <class Exec>
  void scores(Exec const& exec, State const& state, MatrixView<float const> features, MatrixView<float> scores) const {
    detail::check_scored("GaussianHead::scores", features, scores, classes(state), state.moments_.width());
    if (!state.is_fitted(rule())) { fail<ValueError>("GaussianHead::scores", "there are samples that no fit with these settings has seen"); }
    constexpr Index rows_at_once = 256;
    for (Index first = 0; first < features.extent(0); first += rows_at_once) {
      Index const count = std::min(rows_at_once, features.extent(0) - first);
      auto const part = features.slice(first, count);
      auto const x = recipe == GaussianRecipe::paper ? transformed("GaussianHead::scores", part) : UnitRows(part).rows;
      if (is_common()) {
        score_common(exec, state, x, scores.slice(first, count));
      } else {
        score_each(exec, state, x, scores.slice(first, count));
      }
    }
  }

  /// Adds what another state has seen; needs a `fit` afterwards.
  /// @param[in] columns [other's C] which class of `state` each class of `other` is; they must be admitted
  /// @throws ShapeError  when columns or widths do not fit; `state` is unchanged then
  void merge(State& state, State const& other, std::span<Index const> columns) const {
    detail::check_merge("GaussianHead::merge", columns, classes(other), classes(state));
    if (other.moments_.width() == 0) { return; }
    if (state.moments_.width() == 0) { state.start(other.moments_.kind()); }
    state.moments_.merge(other.moments_, columns);
  }

  /// Drops a class; the columns behind it move up by one. Its features are not needed. Needs a `fit` afterwards.
  /// @throws ShapeError  for a column without a class
  template <class Exec>
  void forget(Exec const& /*exec*/, State& state, Index column, MatrixView<float const> /*features*/) const {
    state.forget(column);
  }

  /// What `fit` has to say: classes without a spread.
  [[nodiscard]] std::vector<std::string> notes(State const& state) const {
    std::vector<std::string> said;
    for (Index c = 0; c < classes(state); ++c) {
      if (state.moments_.count(c) == 1) { said.push_back(message("class ", c, " has one sample and therefore no covariance; plain distance is used for it")); }
    }
    return said;
  }

  template <class Writer>
  void write(State const& state, Writer& writer) const {
    state.moments_.write(writer.scope("moments"));
  }
  /// @throws FileError  when something is missing or of another shape; `state` is unchanged then
  template <class Reader>
  void read(State& state, Reader const& reader) const {
    State fresh;
    fresh.moments_ = ClassMoments::read(reader.scope("moments"));
    fresh.renew(rule(), covariance == GaussianCovariance::common && recipe == GaussianRecipe::paper);
    state = std::move(fresh);
  }

  [[nodiscard]] static std::vector<Setting<GaussianHead>> settings() {
    return {number_setting("alpha1", "shrinks covariances towards a multiple of the identity", &GaussianHead::alpha1, 0.0, 1e6),
            number_setting("alpha2", "shrinks covariances towards equal correlation", &GaussianHead::alpha2, 0.0, 1e6),
            number_setting("shrinkings", "how often a covariance is shrunk", &GaussianHead::shrinkings, Index{0}, Index{8}),
            number_setting("tukey", "power that features are raised to first, 0 for the logarithm", &GaussianHead::tukey, 0.0, 1.0),
            choice_setting("covariance", "which covariance a class is measured with", &GaussianHead::covariance,
                           std::vector<std::pair<std::string, GaussianCovariance>>{
                               {"per_class", GaussianCovariance::per_class}, {"common", GaussianCovariance::common}, {"diagonal", GaussianCovariance::diagonal}}),
            choice_setting("scaling", "covariances as they are or as correlations", &GaussianHead::scaling,
                           std::vector<std::pair<std::string, Scaling>>{{"covariance", Scaling::covariance}, {"correlation", Scaling::correlation}}),
            choice_setting("recipe", "the paper's distance or the toolbox's", &GaussianHead::recipe,
                           std::vector<std::pair<std::string, GaussianRecipe>>{{"paper", GaussianRecipe::paper}, {"toolbox", GaussianRecipe::toolbox}})};
  }

 private:
  static constexpr double toolbox_shift = 100.0;

  /// All settings as one text: forms made with others are of no use.
  [[nodiscard]] std::string rule() const {
    std::string text;
    for (auto const& setting : settings()) { text += setting.name + "=" + setting.text(*this) + ";"; }
    return text;
  }

  /// Tukey's power, then unit length.
  [[nodiscard]] Matrix<double> transformed(std::string_view function, MatrixView<float const> features) const {
    if (tukey == 1.0) { return UnitRows(features).rows; }
    Matrix<double> powers(features.shape());
    for (Index i = 0; i < features.size(); ++i) {
      auto const x = static_cast<double>(features.data()[i]);
      if (!(tukey > 0.0 ? x >= 0.0 : x > 0.0)) { fail<ValueError>(function, "row ", i / features.extent(1), " of the features holds ", x, ", which has no power ", tukey); }
      powers.data()[i] = tukey > 0.0 ? std::pow(x, tukey) : std::log(x);
    }
    return UnitRows(powers.cview()).rows;
  }

  [[nodiscard]] bool is_common() const { return covariance == GaussianCovariance::common && recipe == GaussianRecipe::paper; }

  /// The form of a class, made on first use: a file holds moments only.
  template <class Exec>
  MahalanobisForm const& form_of(Exec const& exec, State const& state, Index column) const {
    return state.forms_[static_cast<std::size_t>(column)]->get([&] {
      if (recipe == GaussianRecipe::toolbox) { return make_toolbox(exec, state, column); }
      if (is_common()) { return make_common(exec, state); }
      return make_own(exec, state, column);
    });
  }

  template <class Exec>
  [[nodiscard]] MahalanobisForm make_own(Exec const& exec, State const& state, Index column) const {
    ClassMoments const& moments = state.moments_;
    auto variances = moments.variances(column);
    double mean = 0.0;
    for (double const v : variances) { mean += v / static_cast<double>(variances.size()); }
    if (!(mean > 0.0)) { return plain(moments.width()); }
    // Shrinking adds alpha1 times the mean of the diagonal each time, and the mean grows by as much.
    double const shift = mean * (std::pow(1.0 + alpha1, static_cast<double>(shrinkings)) - 1.0);
    if (covariance == GaussianCovariance::diagonal) {
      for (double& v : variances) { v += shift; }
      return MahalanobisForm::diagonal(variances);
    }
    if (alpha2 == 0.0 && shift > 0.0 && moments.is_low_rank(column) && 2 * moments.factor(column).extent(0) <= moments.width()) {
      auto const rows = moments.factor(column);
      Matrix<double> v(rows.shape());
      double const scale = 1.0 / std::sqrt(static_cast<double>(moments.count(column) - 1));
      std::transform(rows.begin(), rows.end(), v.begin(), [scale](double x) { return scale * x; });
      return MahalanobisForm::low_rank(exec, std::move(v), shift, scaling);
    }
    return MahalanobisForm::dense(exec, shrunk_often(moments.covariance(exec, column)), scaling);
  }

  template <class Exec>
  [[nodiscard]] MahalanobisForm make_common(Exec const& exec, State const& state) const {
    ClassMoments const& moments = state.moments_;
    SymmetricMatrix<double> mean(moments.width());
    Index counted = 0;
    for (Index c = 0; c < moments.classes(); ++c) { counted += moments.count(c) > 1 ? 1 : 0; }
    for (Index c = 0; c < moments.classes(); ++c) {
      if (moments.count(c) < 2) { continue; }
      auto const own = moments.covariance(exec, c);
      std::transform(mean.storage().begin(), mean.storage().end(), own.storage().begin(), mean.storage().begin(), [counted](double a, double b) { return a + b / static_cast<double>(counted); });
    }
    bool spread = false;
    for (Index i = 0; i < mean.order(); ++i) { spread = spread || mean(i, i) > 0.0; }
    return spread ? MahalanobisForm::dense(exec, shrunk_often(std::move(mean)), scaling) : plain(moments.width());
  }

  template <class Exec>
  [[nodiscard]] MahalanobisForm make_toolbox(Exec const& exec, State const& state, Index column) const {
    auto s = state.moments_.covariance(exec, column);
    for (Index i = 0; i < s.order(); ++i) { s(i, i) += toolbox_shift; }
    return MahalanobisForm::spread(exec, s);
  }

  [[nodiscard]] SymmetricMatrix<double> shrunk_often(SymmetricMatrix<double> s) const {
    for (Index i = 0; i < shrinkings; ++i) { s = shrunk(std::move(s), {alpha1, alpha2}); }
    return s;
  }

  static MahalanobisForm plain(Index width) {
    Vector<double> ones({width});
    std::fill(ones.begin(), ones.end(), 1.0);
    return MahalanobisForm::diagonal(ones);
  }

  /// The mean that distances are measured from.
  [[nodiscard]] Vector<double> centre(State const& state, Index column) const {
    auto const mean = state.moments_.mean(column);
    Vector<double> result({mean.size()});
    double const length = recipe == GaussianRecipe::toolbox ? std::max(std::sqrt(detail::squared_length(mean.data(), mean.size())), least_length) : 1.0;
    std::transform(mean.begin(), mean.end(), result.begin(), [length](double m) { return m / length; });
    return result;
  }

  template <class Exec>
  void score_each(Exec const& exec, State const& state, Matrix<double> const& x, MatrixView<float> scores) const {
    Matrix<double> z(x.shape());
    Vector<double> distances({x.extent(0)});
    for (Index c = 0; c < scores.extent(1); ++c) {
      if (state.moments_.count(c) == 0) { continue; }
      auto const mean = centre(state, c);
      for (Index i = 0; i < x.extent(0); ++i) {
        for (Index j = 0; j < x.extent(1); ++j) { z(i, j) = x(i, j) - mean(j); }
      }
      form_of(exec, state, c).distances(exec, z.cview(), distances.view());
      for (Index i = 0; i < x.extent(0); ++i) { scores(i, c) = static_cast<float>(-distances(i)); }
    }
    fill_unseen(state, scores);
  }

  /// One covariance: features and means are whitened once, and distances are Euclidean.
  template <class Exec>
  void score_common(Exec const& exec, State const& state, Matrix<double> const& x, MatrixView<float> scores) const {
    Index const classes = scores.extent(1);
    Matrix<double> means({classes, x.extent(1)});
    for (Index c = 0; c < classes; ++c) {
      auto const mean = state.moments_.mean(c);
      std::copy(mean.begin(), mean.end(), means[c].begin());
    }
    MahalanobisForm const& form = form_of(exec, state, 0);
    auto const w = form.whitened(exec, x.cview());
    auto const m = form.whitened(exec, means.cview());
    Matrix<double> distances = Matrix<double>::zeros({x.extent(0), classes});
    for (Index j = 0; j < w.extent(0); ++j) {
      for (Index i = 0; i < x.extent(0); ++i) {
        for (Index c = 0; c < classes; ++c) { distances(i, c) += (w(j, i) - m(j, c)) * (w(j, i) - m(j, c)); }
      }
    }
    std::transform(distances.begin(), distances.end(), scores.begin(), [](double d) { return static_cast<float>(-d); });
    fill_unseen(state, scores);
  }

  static void fill_unseen(State const& state, MatrixView<float> scores) {
    for (Index c = 0; c < scores.extent(1); ++c) {
      for (Index i = 0; i < scores.extent(0) && state.moments_.count(c) == 0; ++i) { scores(i, c) = std::numeric_limits<float>::lowest(); }
    }
  }
};
static_assert(ClassifierHead<GaussianHead> && MergesStatistics<GaussianHead> && ForgetsClasses<GaussianHead>);

}  // namespace accrete
