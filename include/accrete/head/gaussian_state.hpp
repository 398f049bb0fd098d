#pragma once

#include <accrete/head/class_moments.hpp>
#include <accrete/head/mahalanobis.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace accrete {

struct GaussianHead;

/// What a Gaussian head has learned: the moments of its classes, and the distances that follow from them.
/// Copies share the distances until one of them learns.
class GaussianState {
 public:
  [[nodiscard]] ClassMoments const& moments() const { return moments_; }
  /// The distance of a class as of the last `fit`; shared by copies, so that one may see that it did not change.
  [[nodiscard]] void const* form(Index column) const { return forms_.at(static_cast<std::size_t>(column)).get(); }

 private:
  friend struct GaussianHead;

  /// Made once, by whoever asks first; safe to ask from several threads.
  class LazyForm {
   public:
    template <class Make>
    MahalanobisForm const& get(Make const& make) {
      std::call_once(made_, [&] { form_ = make(); });
      return form_;
    }

   private:
    std::once_flag made_;
    MahalanobisForm form_;
  };

  void admit(Index classes) { moments_.admit(classes); }

  /// Begins with moments of a kind, before the first feature.
  void start(SecondMoment kind) {
    ClassMoments fresh(kind);
    fresh.admit(moments_.classes());
    moments_ = std::move(fresh);
  }

  void forget(Index column) {
    moments_.forget(column);
    lost_a_class_ = true;
    // What the last fit has not seen has no form yet.
    if (column < static_cast<Index>(forms_.size())) {
      forms_.erase(forms_.begin() + column);
      fitted_counts_.erase(fitted_counts_.begin() + column);
    }
    if (moments_.classes() == 0) { *this = GaussianState(); }
  }

  /// Room for the forms of classes whose number of samples is not that of the last fit; with a common covariance all are new as soon as one is.
  void renew(std::string rule, bool common) {
    bool const other_rule = rule != rule_;
    std::vector<std::shared_ptr<LazyForm>> forms = other_rule ? std::vector<std::shared_ptr<LazyForm>>() : forms_;
    std::vector<Index> counts;
    bool changed = static_cast<Index>(forms.size()) != moments_.classes();
    forms.resize(static_cast<std::size_t>(moments_.classes()));
    for (std::size_t c = 0; c < forms.size(); ++c) {
      counts.push_back(moments_.count(static_cast<Index>(c)));
      bool const fresh = other_rule || c >= fitted_counts_.size() || counts.back() != fitted_counts_[c];
      if (fresh) { forms[c] = std::make_shared<LazyForm>(); }
      changed = changed || fresh;
    }
    if (common && (changed || lost_a_class_)) { std::fill(forms.begin(), forms.end(), std::make_shared<LazyForm>()); }
    forms_ = std::move(forms);
    fitted_counts_ = std::move(counts);
    rule_ = std::move(rule);
    lost_a_class_ = false;
  }

  /// Whether every class has the form of all its samples under these settings.
  [[nodiscard]] bool is_fitted(std::string const& rule) const {
    bool fitted = rule == rule_ && static_cast<Index>(fitted_counts_.size()) == moments_.classes();
    for (Index c = 0; c < moments_.classes() && fitted; ++c) { fitted = moments_.count(c) == fitted_counts_[static_cast<std::size_t>(c)]; }
    return fitted;
  }

  ClassMoments moments_;
  std::vector<std::shared_ptr<LazyForm>> forms_;  // by class
  std::vector<Index> fitted_counts_;
  std::string rule_;           // the settings of the last fit
  bool lost_a_class_ = false;  // since the last fit
};

}  // namespace accrete
